# SPDX-License-Identifier: Apache-2.0
"""Any number of tenants with the same addresses inside, behind one public address.

   10.1.0.2 --VLAN n-- gateway 192.0.2.1 --ESP-- 10.64.x.y far --VLAN n-- 10.2.0.2     for each tenant n
            inside             (one VIP)         (n-th VIP)            outside

Both sides are a forwarder with isthmus-ike; the far one stands for all the sites, a VRF and a slot with
a public address for each. Selectors are any to any. The machines are this file: a raw socket at
either end, which answers ARP on every VLAN and sends and takes marked packets.
"""

import contextlib
import ctypes
import ipaddress
import select
import socket
import struct
import threading
import time

import direct
from gateway import Gateway
from localapi import LocalApi, constants as C, ip, prefix, structs
from net import wait_for

VIP = "192.0.2.1"
INSIDE, OUTSIDE = ("10.1.0.2", "02:00:00:00:01:02"), ("10.2.0.2", "02:00:00:00:02:02")
AES_GCM_16, PRF_SHA2_256, CURVE25519 = 20, 5, 31
ENABLED, INITIATE = 1, 2
TAGGED, ARP, IPV4, UDP, PORT = 0x8100, 0x0806, 0x0800, 17, 7000
SOL_PACKET, PACKET_AUXDATA = 263, 8
MAC_ANY = "ff:ff:ff:ff:ff:ff"


def site(n):
    return "10.%d.%d.%d" % (64 + n // 65536, n // 256 % 256, n % 256)


def esp_id(n):
    return n


def lan_id(n):
    return 10000 + n


def _mac(text):
    return bytes.fromhex(text.replace(":", ""))


def _checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


class Machines:
    """One machine of every tenant at the end of a trunk: the same address and MAC on each VLAN."""

    def __init__(self, ns, dev, me, peer_address):
        self.address, self.mac = me
        self.peer = peer_address
        with ns.entered():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 20)
            self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            self.sock.bind((dev, 0))
        self.router_mac = {}  # VLAN -> MAC of the gateway there
        self.got = []         # (VLAN, mark) in order of arrival
        self.deaf_to = None   # a mark's beginning: such packets are only counted
        self.heard = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.ended.is_set():
            if not select.select([self.sock], [], [], 0.1)[0]:
                continue
            data, controls, _, sender = self.sock.recvmsg(65535, 256)
            if sender[2] == socket.PACKET_OUTGOING:
                continue
            for level, kind, value in controls:
                if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
                    status, vlan = struct.unpack_from("=IxxxxxxxxxxxxH", value)
                    if status & 0x10:  # TP_STATUS_VLAN_VALID
                        self._take(vlan & 0xfff, data)

    def _take(self, vlan, frame):
        kind, = struct.unpack_from("!H", frame, 12)
        if kind == ARP:
            self._arp(vlan, frame)
        elif kind == IPV4 and frame[23] == UDP and struct.unpack_from("!H", frame, 36)[0] == PORT:
            mark = frame[42:42 + struct.unpack_from("!H", frame, 38)[0] - 8]
            if self.deaf_to and mark.startswith(self.deaf_to):
                self.heard += 1
            else:
                self.got.append((vlan, mark))

    def _arp(self, vlan, frame):
        operation, sender_mac, sender, _, target = struct.unpack_from("!6xH6s4s6s4s", frame, 14)
        self.router_mac[vlan] = sender_mac
        if operation == 1 and target == socket.inet_aton(self.address):
            self._send(vlan, sender_mac, ARP, struct.pack("!HHBBH6s4s6s4s", 1, IPV4, 6, 4, 2, _mac(self.mac), target, sender_mac,
                                                          sender))

    def _send(self, vlan, to, kind, payload):
        self.sock.send(to + _mac(self.mac) + struct.pack("!HHH", TAGGED, vlan, kind) + payload)

    def ask_router(self, vlan, address):
        self._send(vlan, _mac(MAC_ANY), ARP, struct.pack("!HHBBH6s4s6s4s", 1, IPV4, 6, 4, 1, _mac(self.mac),
                                                         socket.inet_aton(self.address), bytes(6), socket.inet_aton(address)))

    def send(self, vlan, mark):
        """One packet of that tenant to its machine at the other end."""
        size = 20 + 8 + len(mark)
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, size, 0, 0, 64, UDP, 0, socket.inet_aton(self.address),
                           socket.inet_aton(self.peer))
        head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
        self._send(vlan, self.router_mac[vlan], IPV4, head + struct.pack("!HHHH", PORT, PORT, 8 + len(mark), 0) + mark)

    def close(self):
        self.ended.set()
        self.thread.join()
        self.sock.close()


class Side:
    """A gateway of the pair: `vips` are its public addresses, by slot."""

    def __init__(self, net, name, own, vips, peer_own, machine, other):
        self.net, self.name, self.machine = net, name, machine
        self.ns = net.namespace(name)
        self.own, self.peer_own, self.vips = own, peer_own, vips
        self.router = machine[0].rsplit(".", 1)[0] + ".1"
        self.beyond = other[0].rsplit(".", 1)[0] + ".0/24"

    def start(self, count, ike_env):
        self.count = count
        self.gateway = Gateway(self.net, self.ns, self.name)
        self.gateway.start_forwarder()
        self.gateway.start_ike(**ike_env)
        with self.gateway.api() as api:
            api.set("underlay_addr", port=0, addr=ip(self.own), prefix_len=24)
            api.set("route", direct.route(0, "0.0.0.0/0", "PORT", 0, self.peer_own))
            for number, vip in self.vips.items():
                s = structs["api_slot"](slot=number, active=1, port=0, epoch=1, iv_epoch=1)
                s.vip[0] = ip(vip)
                api.set("slot", s)
            api.set_many("vrf", [structs["api_vrf"](vrf=n, name=b"tenant%d" % n) for n in range(1, count + 1)])

    def numbers(self):
        return range(1, self.count + 1)

    def inside(self):
        """Each tenant's VLAN, and the route to what is beyond the tunnel."""
        with self.gateway.api() as api:
            for n in self.numbers():
                lan = structs["api_conn"](conn=lan_id(n), vrf=n, slot=self.slot(n), type=C["API_CONN_L3"],
                                          flags=C["API_CONN_F_ENABLED"], l3_port=1, l3_vlan=n, l3_addr_count=1, name=b"lan")
                lan.l3_addr[0].addr, lan.l3_addr[0].prefix_len = ip(self.router), 24
                api.set("conn", lan)

    def slot(self, n):
        return n if n in self.vips and len(self.vips) > 1 else 1

    def tunnels(self):
        with self.gateway.api() as api:
            api.set_many("conn", [structs["api_conn"](conn=esp_id(n), vrf=n, slot=self.slot(n), type=C["API_CONN_IPSEC"],
                                                      flags=C["API_CONN_F_ENABLED"], local=ip(self.local(n)), name=b"esp",
                                                      remote=ip(self.remote(n))) for n in self.numbers()])
            api.set_many("route", [direct.route(n, self.beyond, "CONN", esp_id(n)) for n in self.numbers()])

    def local(self, n):
        return self.vips.get(n, VIP) if len(self.vips) > 1 or self.name == "far" else VIP

    def remote(self, n):
        return VIP if self.name == "far" else site(n)

    def keying(self, flags, numbers=None, **fields):
        """Tells isthmus-ike of these connections, or all."""
        conns, secrets = [], []
        for n in numbers or self.numbers():
            c = structs["api_ike_conn"](conn=esp_id(n), vrf=n, slot=self.slot(n), auth=1, flags=flags, local=ip(self.local(n)),
                                        remote=ip(self.remote(n)), proposal_count=1, child_proposal_count=1, **fields)
            c.proposal[0].encr, c.proposal[0].encr_bits, c.proposal[0].prf, c.proposal[0].dh = AES_GCM_16, 256, PRF_SHA2_256, CURVE25519
            c.child_proposal[0].encr, c.child_proposal[0].encr_bits = AES_GCM_16, 256
            word = b"secret of %d" % n
            k = structs["api_ike_credential"](conn=esp_id(n), type=C["API_IKE_CRED_PSK"], secret_size=len(word))
            ctypes.memmove(k.secret, word, len(word))
            conns.append(c)
            secrets.append(k)
        with self.ike() as api:
            api.set_many("ike_credential", secrets)
            api.set_many("ike_conn", conns)

    def ike(self):
        return LocalApi(self.gateway.ike_socket, timeout=60)

    def up(self):
        with self.ike() as api:
            return sum(s.state == C["API_IKE_UP"] for s in api.dump("ike_state"))

    def resident_kb(self):
        """Of the forwarder and isthmus-ike together."""
        return sum(_resident_kb(p.process.pid) for p in (self.gateway.forwarder, self.gateway.ike))


def _resident_kb(pid):
    with open("/proc/%d/status" % pid) as status:
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1])


class Lab:
    def __init__(self, net, count, wire=None, far_ike_env=None):
        """wire(a namespace): what joins u-gw and u-far there, in place of one cable between the gateways.
        far_ike_env: further environment of the far end's isthmus-ike."""
        self.net, self.count = net, count
        self.gw = Side(net, "gw", "192.0.2.8", {1: VIP}, "192.0.2.9", INSIDE, OUTSIDE)
        self.far = Side(net, "far", "192.0.2.9", {n: site(n) for n in range(1, count + 1)}, "192.0.2.8", OUTSIDE, INSIDE)
        ends = {side: net.namespace(side.name + "-lan") for side in (self.gw, self.far)}
        if wire:
            middle = net.namespace("middle")
            for side in (self.gw, self.far):
                net.link(side.ns, "up0", middle, "u-" + side.name, mtu=1500, offload=False)
            self.wire = wire(middle)
            net.on_close(self.wire.close)
        else:
            net.link(self.gw.ns, "up0", self.far.ns, "up0", mtu=1500, offload=False)
        self.machines = {}
        for side, peer in ((self.gw, OUTSIDE), (self.far, INSIDE)):
            net.link(side.ns, "trunk0", ends[side], "eth0", mtu=1500, offload=False)
            self.machines[side] = Machines(ends[side], "eth0", side.machine, peer[0])
            net.on_close(self.machines[side].close)
            side.start(count, far_ike_env or {} if side is self.far else {})

    def connect(self, dialler=None):
        """All tunnels, up; `dialler` dials them."""
        dialler = dialler or self.far
        for side in (self.gw, self.far):
            side.tunnels()
        waiter = self.gw if dialler is self.far else self.far
        waiter.keying(ENABLED)
        dialler.keying(ENABLED | INITIATE)
        wait_for(lambda: self.gw.up() == self.count and self.far.up() == self.count, 30 + self.count / 5, "every tunnel is up", step=0.1)

    def meet_routers(self):
        """Every machine knows its gateway, and the gateway it."""
        for side in (self.gw, self.far):
            side.inside()
            m = self.machines[side]

            def missing(m=m, side=side):
                return [n for n in side.numbers() if n not in m.router_mac]

            def ask(m=m, side=side, missing=missing):
                for n in missing():
                    m.ask_router(n, side.router)
                return not missing()
            wait_for(ask, 60, "gateways answer on every VLAN", step=0.2)

    def send_all(self, side, text):
        for n in side.numbers():
            self.machines[side].send(n, b"%s %d" % (text, n))
            if n % 100 == 0:
                time.sleep(0.01)  # the trunk's queue is finite

    def other(self, side):
        return self.far if side is self.gw else self.gw
