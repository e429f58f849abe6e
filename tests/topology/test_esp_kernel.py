# SPDX-License-Identifier: Apache-2.0
"""ESP against a real kernel: User-Mode Linux with `ip xfrm` and the same keys.

   lan 10.1.0.2 --- 10.1.0.1 gw (forwarder) 192.0.2.1 --- 192.0.2.2 guest (kernel), 10.2.0.1
            lan0                              up0                eth0
"""

import secrets

import pytest

import direct
import uml
from gateway import Gateway
from localapi import constants as C, ip, mac, prefix, structs
from net import Net, wait_for
from traffic import ping

pytestmark = pytest.mark.skipif(not uml.available(), reason="user-mode-linux is not installed")

VRF, ESP, LAN, SLOT, CHILD = 1, 11, 12, 3, 1
GW, GUEST, INSIDE_LAN, INSIDE_GUEST = "192.0.2.1", "192.0.2.2", "10.1.0.2", "10.2.0.1"
IN_SPI, OUT_SPI = SLOT << 20 | 1 << 16 | 5, 0x0C0FFEE5

# cipher: (IKEv2 encryption, integrity, key bytes with salt, integrity key bytes, ip xfrm words)
AEAD, HMAC = "aead '%s' 0x%s 128", "enc '%s' 0x%s auth-trunc '%s' 0x%s %d"
CIPHERS = {"aes-%d-gcm" % (k * 8): (20, 0, k + 4, 0, ("rfc4106(gcm(aes))",)) for k in (16, 24, 32)}
CIPHERS.update({"aes-%d-gmac" % (k * 8): (21, 0, k + 4, 0, ("rfc4543(gcm(aes))",)) for k in (16, 24, 32)})
CIPHERS["chacha20-poly1305"] = (28, 0, 36, 0, ("rfc7539esp(chacha20,poly1305)",))
for name, number, key in (("aes-128-cbc", 12, 16), ("aes-192-cbc", 12, 24), ("aes-256-cbc", 12, 32), ("3des-cbc", 3, 24)):
    for mac_name, integrity, mac_key, bits in (("sha1", 2, 20, 96), ("sha256", 12, 32, 128), ("sha384", 13, 48, 192)):
        CIPHERS["%s-%s" % (name, mac_name)] = (number, integrity, key, mac_key, (
            "cbc(aes)" if number == 12 else "cbc(des3_ede)", "hmac(%s)" % mac_name, bits))


class Lab:
    def __init__(self, net):
        self.net = net
        self.gw_ns, self.lan, self.site = (net.namespace(n) for n in ("gw", "lan", "site"))
        net.link(self.gw_ns, "up0", self.site, "eth0", mtu=1500, offload=False)
        net.link(self.gw_ns, "lan0", self.lan, "eth0", mtu=1500, offload=False)
        self.lan.ip("addr add %s/24 dev eth0" % INSIDE_LAN, "route add default via 10.1.0.1")
        self.gateway = Gateway(net, self.gw_ns, ports=("up0", "lan0"))
        self.gateway.start_forwarder()
        self.guest = uml.Uml(net, "peer", self.site, "eth0")
        self.guest.modprobe("esp4", "xfrm_user", "gcm", "cbc", "authenc", "echainiv", "seqiv", "ip_gre", "dummy")
        self.guest.sh("ip addr add %s/24 dev eth0" % GUEST)
        self.guest.sh("ip link add inner type dummy; ip addr add %s/24 dev inner; ip link set inner up" % INSIDE_GUEST)
        self.guest.sh("ip route add 10.1.0.0/24 via %s src %s" % (GW, INSIDE_GUEST))
        with self.gateway.api() as api:
            api.set("slot", slot(epoch=1))
            api.set("underlay_addr", port=0, addr=ip("192.0.2.9"), prefix_len=24)
            api.set("vrf", vrf=VRF, name=b"tenant")
            lan = structs["api_conn"](conn=LAN, vrf=VRF, slot=SLOT, type=C["API_CONN_L3"], flags=C["API_CONN_F_ENABLED"],
                                      l3_port=1, l3_addr_count=1, name=b"lan")
            lan.l3_addr[0].addr, lan.l3_addr[0].prefix_len = ip("10.1.0.1"), 24
            api.set("conn", lan)
            api.set("conn", esp_conn())
            api.set("route", direct.route(VRF, "10.2.0.0/24", "CONN", ESP))
            api.set("sa_policy", conn=ESP, child=CHILD, out_spi=OUT_SPI)

    def key(self, name, esn=False, udp=False, conn=ESP, transport=False):
        """Fresh keys on both sides."""
        encryption, integrity, key_size, mac_size, words = CIPHERS[name]
        flags = (C["API_SA_F_ESN"] if esn else 0) | (C["API_SA_F_UDP"] if udp else 0)
        mode = "transport" if transport else "tunnel"
        self.forget(conn)
        with self.gateway.api() as api:
            for direction, spi in (("IN", IN_SPI), ("OUT", OUT_SPI)):
                key, auth = secrets.token_bytes(key_size), secrets.token_bytes(mac_size)
                sa = structs["api_sa"](conn=conn, spi=spi, dir=C["API_SA_" + direction], child=CHILD, slot=SLOT, flags=flags,
                                       mode=C["API_SA_" + mode.upper()], cipher=encryption, integrity=integrity, replay_window=64,
                                       key_size=key_size, auth_key_size=mac_size, local=ip(GW), remote=ip(GUEST),
                                       local_port=4500 if udp else 0, remote_port=4500 if udp else 0)
                sa.key[:key_size], sa.auth_key[:mac_size] = key, auth
                api.set("sa", sa)
                src, dst = (GUEST, GW) if direction == "IN" else (GW, GUEST)
                algorithm = (AEAD % (words[0], key.hex())) if not mac_size else HMAC % (
                    words[0], key.hex(), words[1], auth.hex(), words[2])
                self.guest.sh("ip xfrm state add src %s dst %s proto esp spi 0x%08x reqid 1 mode %s %s %s %s" % (
                    src, dst, spi, mode, "replay-window 64 flag esn" if esn else "replay-window 32", algorithm,
                    "encap espinudp 4500 4500 0.0.0.0" if udp else ""))
                if transport:
                    self.guest.sh("ip xfrm policy add src %s dst %s proto gre dir %s tmpl proto esp reqid 1 mode transport" % (
                        src, dst, "out" if direction == "IN" else "in"))
                    continue
                inside = ("10.2.0.0/24", "10.1.0.0/24") if direction == "IN" else ("10.1.0.0/24", "10.2.0.0/24")
                self.guest.sh("ip xfrm policy add src %s dst %s dir %s tmpl src %s dst %s proto esp reqid 1 mode tunnel" % (
                    *inside, "out" if direction == "IN" else "in", src, dst))

    def forget(self, conn=ESP):
        self.guest.sh("ip xfrm state flush; ip xfrm policy flush")
        with self.gateway.api() as api:
            for direction, spi in (("IN", IN_SPI), ("OUT", OUT_SPI)):
                api.delete("sa", conn=conn, spi=spi, dir=C["API_SA_" + direction])

    def both_ways(self, count=10, size=200):
        """Answers to pings from the LAN, and to pings from the guest."""
        wait_for(lambda: ping(self.lan, INSIDE_GUEST, 1), 10, "the first packet passes")
        return (ping(self.lan, INSIDE_GUEST, count, size=size),
                self.guest.ping(INSIDE_LAN, count, size=size, more="-I " + INSIDE_GUEST))

    def stats(self):
        with self.gateway.api() as api:
            return {s.spi: s for s in api.dump("sa_stats")}


def slot(epoch):
    s = structs["api_slot"](slot=SLOT, active=1, port=0, epoch=epoch, iv_epoch=epoch)
    s.vip[0] = ip(GW)
    return s


def esp_conn():
    return structs["api_conn"](conn=ESP, vrf=VRF, slot=SLOT, type=C["API_CONN_IPSEC"], flags=C["API_CONN_F_ENABLED"],
                               local=ip(GW), remote=ip(GUEST), name=b"esp")


@pytest.fixture(scope="module")
def lab():
    with Net() as net:
        yield Lab(net)


@pytest.mark.parametrize("name", CIPHERS)
def test_kernel_and_forwarder_understand_each_other(lab, name):
    lab.key(name)
    assert lab.both_ways() == (10, 10)
    assert lab.both_ways(size=1300) == (10, 10)
    stats = lab.stats()
    assert stats[IN_SPI].packets > 40 and stats[OUT_SPI].packets > 40
    assert stats[IN_SPI].integrity_failures == 0 and stats[IN_SPI].replay_drops == 0
    assert "spi 0x%08x" % OUT_SPI in lab.guest.sh("ip xfrm state")


@pytest.mark.parametrize("name", ["aes-256-gcm", "aes-128-gmac", "aes-256-cbc-sha256", "chacha20-poly1305"])
@pytest.mark.parametrize("udp", [False, True])
def test_kernel_with_esn_and_in_udp(lab, name, udp):
    if udp:
        # The kernel takes ESP-in-UDP from a socket that said so.
        lab.guest.sh("pkill socat; python3 -c 'import socket,time; s=socket.socket(2,2); s.bind((\"\",4500)); "
                     "s.setsockopt(17,100,2); print(1,flush=True); time.sleep(600)' >/tmp/encap 2>&1 &")
        lab.guest.sh("for i in $(seq 100); do grep -q 1 /tmp/encap && break; sleep 0.05; done; grep -q 1 /tmp/encap")
    lab.key(name, esn=True, udp=udp)
    assert lab.both_ways() == (10, 10)


def test_without_an_sa_nothing_leaves_and_the_reason_is_counted(lab):
    lab.key("aes-256-gcm")
    assert lab.both_ways() == (10, 10)
    lab.forget()
    before = lab.gateway.counters()
    assert ping(lab.lan, INSIDE_GUEST, 3) == 0
    after = lab.gateway.counters()
    drops = {k: after[k] - before.get(k, 0) for k in after if k.startswith("drop.") and after[k] != before.get(k, 0)}
    drops.pop("drop.arp_done", None)  # the guest asks for its neighbours now and then
    assert set(drops) <= {"drop.conn_down", "drop.esp_no_sa", "drop.no_route"} and sum(drops.values()) >= 3, drops


@pytest.mark.parametrize("name", ["aes-256-gcm", "aes-256-cbc-sha1"])
def test_kernels_gre_in_transport_mode_and_never_in_clear(lab, name):
    """The same guest by GRE that its SAs protect; when they are gone the kernel's clear GRE is refused."""
    gre, far = 13, "10.3.0.1"
    lab.guest.sh("ip link add gre9 type gre local %s remote %s key 9 ttl 64" % (GUEST, GW))
    lab.guest.sh("ip addr add %s/24 dev gre9; ip link set gre9 up; ip route replace 10.1.0.0/24 dev gre9 src %s" % (far, far))
    try:
        with lab.gateway.api() as api:
            api.set("conn", conn=gre, vrf=VRF, slot=SLOT, type=C["API_CONN_GRE"], local=ip(GW), remote=ip(GUEST), gre_key=9,
                    flags=C["API_CONN_F_ENABLED"] | C["API_CONN_F_GRE_KEY"] | C["API_CONN_F_GRE_OVER_IPSEC"])
            api.set("route", direct.route(VRF, "10.3.0.0/24", "CONN", gre))
            api.set("sa_policy", conn=gre, child=CHILD, out_spi=OUT_SPI)
        lab.key(name, conn=gre, transport=True)
        wait_for(lambda: ping(lab.lan, far, 1), 10, "the first packet passes")
        assert ping(lab.lan, far, 10, size=1200) == 10
        assert lab.stats()[IN_SPI].packets > 10
        lab.forget(conn=gre)
        before = lab.gateway.counters().get("drop.esp_required", 0)
        assert lab.guest.ping(INSIDE_LAN, 3, more="-I " + far) == 0
        assert lab.gateway.counters()["drop.esp_required"] == before + 3
    finally:
        lab.guest.sh("ip link del gre9; ip route replace 10.1.0.0/24 via %s src %s" % (GW, INSIDE_GUEST))
        lab.forget(conn=gre)
        with lab.gateway.api() as api:
            api.delete("conn", conn=gre)
