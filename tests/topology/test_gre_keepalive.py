# SPDX-License-Identifier: Apache-2.0
"""GRE keepalives with a site that is a real Linux kernel and knows nothing of them: it takes the
tunnel's headers off and routes what was inside, as a Cisco router does with its own.

   lan 10.1.0.2 --- 10.1.0.1 gw (forwarder) 192.0.2.1 === GRE, key 77 === 192.0.2.2 guest, 10.2.0.1
            lan0                              up0                eth0
"""

import socket

import pytest
from scapy.all import GRE, IP, UDP, Ether

import direct
import uml
from gateway import Gateway
from localapi import constants as C, ip, mac_text, structs
from net import Net, wait_for
from traffic import inject, ping

pytestmark = pytest.mark.skipif(not uml.available(), reason="user-mode-linux is not installed")

VRF, LAN, TUNNEL, SLOT, KEY = 1, 11, 12, 3, 77
GW, GUEST = "192.0.2.1", "192.0.2.2"


class Lab:
    def __init__(self, net):
        self.gw_ns, self.lan, self.site = (net.namespace(n) for n in ("gw", "lan", "site"))
        net.link(self.gw_ns, "up0", self.site, "eth0", mtu=1500, offload=False)
        net.link(self.gw_ns, "lan0", self.lan, "eth0", mtu=1500, offload=False)
        self.lan.ip("addr add 10.1.0.2/24 dev eth0", "route add default via 10.1.0.1")
        self.gateway = Gateway(net, self.gw_ns, ports=("up0", "lan0"))
        self.gateway.start_forwarder()
        self.configure()
        self.guest = uml.Uml(net, "peer", self.site, "eth0")
        self.guest.modprobe("ip_gre", "dummy")
        self.guest.sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.accept_local=1 net.ipv4.conf.all.rp_filter=0")
        self.guest.sh("ip addr add %s/24 dev eth0" % GUEST)
        self.guest.sh("ip link add inner type dummy; ip addr add 10.2.0.1/24 dev inner; ip link set inner up")
        self.guest.sh("ip tunnel add g1 mode gre local %s remote %s key %d ttl 64" % (GUEST, GW, KEY))
        self.guest.sh("ip link set g1 up; sysctl -qw net.ipv4.conf.g1.rp_filter=0 net.ipv4.conf.g1.accept_local=1")
        self.guest.sh("ip route add 10.1.0.0/24 dev g1 src 10.2.0.1")

    def configure(self):
        with self.gateway.api() as api:
            direct.configure_vrf(api, VRF, SLOT, "192.0.2.9", gre_vip=GW)
            api.set("conn", direct.vlan_conn(VRF, SLOT, LAN, "10.1.0.1/24", b"lan"))
            self.tunnel(api, True)
            api.set("route", direct.route(VRF, "10.2.0.0/24", "CONN", TUNNEL))

    @staticmethod
    def tunnel(api, keepalive):
        flags = C["API_CONN_F_ENABLED"] | C["API_CONN_F_GRE_KEY"] | (C["API_CONN_F_GRE_KEEPALIVE"] if keepalive else 0)
        api.set("conn", structs["api_conn"](
            conn=TUNNEL, vrf=VRF, slot=SLOT, type=C["API_CONN_GRE"], flags=flags, gre_key=KEY, local=ip(GW), remote=ip(GUEST),
            keepalive_interval_ms=200 if keepalive else 0, keepalive_retries=3 if keepalive else 0, name=b"gre"))

    def is_up(self):
        with self.gateway.api() as api:
            return bool(next(s.up for s in api.dump("conn_stats") if s.conn == TUNNEL))

    def done(self):
        return self.gateway.counters()["drop.keepalive_done"]

    def gateway_mac(self):
        with self.gateway.api() as api:
            return mac_text(api.dump("port")[0].mac)


@pytest.fixture(scope="module")
def lab():
    with Net() as net:
        it = Lab(net)
        yield it
        assert it.gateway.forwarder.restarts == 0, it.gateway.forwarder.output()


def test_a_kernel_that_routes_keepalives_back_keeps_its_connection_up(lab):
    wait_for(lambda: lab.done() >= 5, 20, "five keepalives came back")
    assert lab.is_up()
    assert wait_for(lambda: ping(lab.lan, "10.2.0.1", 1), 10, "traffic")


def test_a_tunnel_that_is_gone_there_is_down_here_and_comes_back(lab):
    wait_for(lab.is_up, 20, "up before")
    with lab.gateway.api() as api:
        api.subscribe("conn_event")
        lab.guest.sh("ip link set g1 down")
        event = api.wait_event("conn_event")
        assert (event.conn, event.up, event.reason) == (TUNNEL, 0, 1)
        assert not lab.is_up()
        before = lab.gateway.counters()["drop.conn_down"]
        assert ping(lab.lan, "10.2.0.1", 1, wait_s=0.2) == 0
        assert lab.gateway.counters()["drop.conn_down"] > before
        lab.guest.sh("ip link set g1 up; ip route replace 10.1.0.0/24 dev g1 src 10.2.0.1")
        event = api.wait_event("conn_event")
        assert (event.conn, event.up, event.reason) == (TUNNEL, 1, 1)
    wait_for(lambda: ping(lab.lan, "10.2.0.1", 1), 10, "traffic")


def sent_back(lab, frame, want):
    """Frames that the gateway sends towards the site within the time of three of its own keepalives and that `want` chooses."""
    with lab.site.entered():
        listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    listener.bind(("eth0", 0x0003))
    listener.settimeout(5)
    found, own = [], 0
    with listener:
        inject(lab.site, "eth0", frame)
        while own < 3:
            raw, address = listener.recvfrom(2000)
            if address[2] == socket.PACKET_OUTGOING:
                continue
            packet = Ether(raw)
            if IP not in packet or packet[IP].src != GW:
                continue
            own += packet[IP].payload.haslayer(IP)
            found += [packet] if want(packet) else []
    return found


def keepalive_of_the_site(lab, key=KEY, src=GW, dst=GUEST, protocol=0, inside=None, ident=4711):
    head = Ether(dst=lab.gateway_mac(), src="02:99:00:00:00:01") / IP(src=GUEST, dst=GW) / GRE(key_present=1, key=KEY, proto=0x800)
    frame = head / IP(src=src, dst=dst, id=ident, ttl=255) / GRE(key_present=1, key=key, proto=protocol)
    return frame / inside if inside else frame


def is_answer(packet):
    return packet[IP].id == 4711


def test_a_sites_keepalive_is_sent_back_as_it_asks(lab):
    answer, = sent_back(lab, keepalive_of_the_site(lab), is_answer)
    assert (answer[IP].src, answer[IP].dst, answer[IP].ttl, answer[IP].proto, answer[IP].len) == (GW, GUEST, 254, 47, 28)
    assert (answer[GRE].proto, answer[GRE].key) == (0, KEY)


@pytest.mark.parametrize("wrong", [
    {"key": KEY + 1}, {"protocol": 0x800, "inside": IP(src="10.2.0.1", dst="198.51.100.1") / UDP(dport=7)},
    {"dst": "192.0.2.77"}, {"src": "192.0.2.9"}, {"dst": "198.51.100.1"}, {"inside": IP() / UDP()}])
def test_nothing_else_of_a_tenant_reaches_the_underlay(lab, wrong):
    """In none of them the inner packet leaves: what leaves for the site is in the tunnel."""
    assert sent_back(lab, keepalive_of_the_site(lab, **wrong), is_answer) == []


def test_without_keepalives_the_connection_is_up(lab):
    with lab.gateway.api() as api:
        lab.tunnel(api, False)
    assert lab.is_up()
    before = lab.done()
    assert ping(lab.lan, "10.2.0.1", 20) == 20
    assert lab.done() == before
