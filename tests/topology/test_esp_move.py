# SPDX-License-Identifier: Apache-2.0
# runs alone: it measures how soon a forwarder is back
"""SAs that outlive their forwarder: killed and restarted, moved to a second one as planned or not.
A real kernel (User-Mode Linux) is the peer; what is asserted is what was on the wire.

   lan 10.1.0.2 ---+--- lan0 gw1 up0 ---+--- eth0 guest (kernel) 192.0.2.2, 10.2.0.1
       10.1.0.1    +--- lan0 gw2 up0 ---+            192.0.2.1 is whose slot is active
"""

import re
import secrets
import time

import pytest

import direct
import esp_wire
import uml
from conftest import is_sanitized
from gateway import Gateway, counted
from localapi import constants as C, ip, structs
from net import Net, wait_for
from traffic import capture, inject, ping

pytestmark = pytest.mark.skipif(not uml.available(), reason="user-mode-linux is not installed")

VRF, ESP, LAN, SLOT, CHILD = 1, 11, 12, 3, 1
GW, GUEST, INSIDE_LAN, INSIDE_GUEST = "192.0.2.1", "192.0.2.2", "10.1.0.2", "10.2.0.1"
IN_SPI, OUT_SPI = SLOT << 20 | 1 << 16 | 5, 0x0C0FFEE5
DIRECTIONS = (("IN", IN_SPI), ("OUT", OUT_SPI))
RESERVE = 1000  # sequence numbers granted ahead
BACK_S = 1


class Holder(Gateway):
    """A gateway that may hold the slot."""

    def __init__(self, net, number):
        ns = net.namespace("gw%d" % number)
        for switch, dev in (("wan", "up0"), ("lan", "lan0")):
            net.plug(net["switch"], switch, ns, dev, mtu=1500, offload=False)
        super().__init__(net, ns, "gw%d" % number, ports=("up0", "lan0"))
        self.number = number
        self.start_forwarder()

    def configure(self, epoch, active=1, iv_epoch=None):
        with self.api() as api:
            api.set("slot", slot(epoch, active, iv_epoch))
            api.set("underlay_addr", port=0, addr=ip("192.0.2.%d" % (10 + self.number)), prefix_len=24)
            api.set("vrf", vrf=VRF, name=b"tenant")
            lan = structs["api_conn"](conn=LAN, vrf=VRF, slot=SLOT, type=C["API_CONN_L3"], flags=C["API_CONN_F_ENABLED"],
                                      l3_port=1, l3_addr_count=1, name=b"lan")
            lan.l3_addr[0].addr, lan.l3_addr[0].prefix_len = ip("10.1.0.1"), 24
            api.set("conn", lan)
            api.set("conn", conn=ESP, vrf=VRF, slot=SLOT, type=C["API_CONN_IPSEC"], flags=C["API_CONN_F_ENABLED"], local=ip(GW),
                    remote=ip(GUEST), name=b"esp")
            api.set("route", direct.route(VRF, "10.2.0.0/24", "CONN", ESP))
            api.set("sa_policy", conn=ESP, child=CHILD, out_spi=OUT_SPI)

    def set_slot(self, *args):
        with self.api() as api:
            api.set("slot", slot(*args))

    def stats(self):
        with self.api() as api:
            return {s.spi: s for s in api.dump("sa_stats")}

    def records(self):
        with self.api() as api:
            return [api.call("sa_record", struct="api_sa_record", conn=ESP, spi=spi, dir=C["API_SA_" + d])[0]
                    for d, spi in DIRECTIONS]


class Keyer:
    """Stands for the keying daemon: has the keys, grants sequence numbers, keeps the reported top."""

    def __init__(self, lab, esn):
        self.lab, self.esn = lab, esn
        self.keys = {spi: secrets.token_bytes(36) for _, spi in DIRECTIONS}
        self.end, self.top = RESERVE, 0
        lab.guest.sh("ip xfrm state flush; ip xfrm policy flush")
        for direction, spi in DIRECTIONS:
            src, dst = (GUEST, GW) if direction == "IN" else (GW, GUEST)
            lab.guest.sh("ip xfrm state add src %s dst %s proto esp spi 0x%08x reqid 1 mode tunnel %s aead 'rfc4106(gcm(aes))' 0x%s 128" % (
                src, dst, spi, "replay-window 64 flag esn" if esn else "replay-window 32", self.keys[spi].hex()))
            inner = ("10.2.0.0/24", "10.1.0.0/24") if direction == "IN" else ("10.1.0.0/24", "10.2.0.0/24")
            lab.guest.sh("ip xfrm policy add src %s dst %s dir %s tmpl src %s dst %s proto esp reqid 1 mode tunnel" % (
                *inner, "out" if direction == "IN" else "in", src, dst))

    def install(self, holder, sequence=0, end=0, top=0):
        flags = (C["API_SA_F_ESN"] if self.esn else 0) | (C["API_SA_F_REPLAY_CLOSED"] if top else 0)
        with holder.api() as api:
            for direction, spi in DIRECTIONS:
                sa = structs["api_sa"](conn=ESP, spi=spi, dir=C["API_SA_" + direction], child=CHILD, slot=SLOT, flags=flags,
                                       mode=C["API_SA_TUNNEL"], cipher=20, replay_window=64, key_size=36, local=ip(GW),
                                       remote=ip(GUEST), sequence=sequence, sequence_end=end, replay_top=top)
                sa.key[:36] = self.keys[spi]
                api.set("sa", sa)

    def look(self, holder):
        """What the forwarder reports now; a reservation that runs short is extended."""
        stats = holder.stats()
        self.top = stats[IN_SPI].replay_top
        if self.end - stats[OUT_SPI].sequence < RESERVE // 2:
            self.end += RESERVE
            with holder.api() as api:
                api.set("sa_grant", conn=ESP, spi=OUT_SPI, sequence_end=self.end)
        return stats

    def until_sent(self, holder, number):
        wait_for(lambda: self.look(holder)[OUT_SPI].sequence >= number, 20, "packet %d was sent" % number)


class Lab:
    def __init__(self, net):
        self.net = net
        switch, self.site, self.lan = (net.namespace(n) for n in ("switch", "site", "lan"))
        for name in ("wan", "lan"):
            net.bridge(switch, name, mtu=1500)
        net.plug(switch, "wan", self.site, "eth0", mtu=1500, offload=False)
        net.plug(switch, "lan", self.lan, "eth0", mtu=1500, offload=False)
        self.lan.ip("addr add %s/24 dev eth0" % INSIDE_LAN, "route add default via 10.1.0.1")
        self.holders = [Holder(net, 1), Holder(net, 2)]
        self.guest = uml.Uml(net, "peer", self.site, "eth0")
        self.guest.modprobe("esp4", "xfrm_user", "gcm", "seqiv", "dummy")
        self.guest.sh("ip addr add %s/24 dev eth0" % GUEST)
        self.guest.sh("ip link add inner type dummy; ip addr add %s/24 dev inner; ip link set inner up" % INSIDE_GUEST)
        self.guest.sh("ip route add 10.1.0.0/24 via %s src %s" % (GW, INSIDE_GUEST))

    def traffic(self):
        """The guest pings, without end: ESP goes both ways."""
        self.guest.sh("ping -n -q -i 0.005 -I %s %s >/dev/null 2>&1 & echo $! >/run/ping" % (INSIDE_GUEST, INSIDE_LAN))

    def quiet(self):
        self.guest.sh("test ! -s /run/ping || kill $(cat /run/ping); rm -f /run/ping", check=False)

    def passes(self):
        """From both sides, by now."""
        wait_for(lambda: ping(self.lan, INSIDE_GUEST, 5) == 5, 20, "pings into the tunnel are answered")
        wait_for(lambda: self.guest.ping(INSIDE_LAN, 5, more="-I " + INSIDE_GUEST) == 5, 20, "pings out of it are answered")

    def kernel_refused(self):
        """What the guest's kernel counted of replays and wrong ICVs on our SA."""
        out = self.guest.sh("ip -s xfrm state get src %s dst %s proto esp spi 0x%08x" % (GW, GUEST, OUT_SPI))
        found = re.search(r"replay-window (\d+) replay (\d+) failed (\d+)", out)
        return int(found.group(2)), int(found.group(3))


@pytest.fixture(params=[False, True], ids=["32-bit", "esn"])
def esn(request):
    return request.param


@pytest.fixture(scope="module")
def lab():
    with Net() as net:
        yield Lab(net)


@pytest.fixture
def keyed(lab, esn):
    """The lab anew: gw1 holds the slot under an epoch higher than before, gw2 does not."""
    lab.epoch = getattr(lab, "epoch", 0) + 10
    lab.quiet()
    keyer = Keyer(lab, esn)
    for holder in lab.holders:
        if not holder.forwarder.process.alive():
            holder.forwarder.start()
            holder.wait_forwarder()
        with holder.api() as api:
            for direction, spi in DIRECTIONS:
                api.delete("sa", conn=ESP, spi=spi, dir=C["API_SA_" + direction])
    gw1, gw2 = lab.holders
    gw2.configure(lab.epoch, active=0)
    gw1.configure(lab.epoch)
    keyer.install(gw1, end=keyer.end)
    lab.lan.ip("neigh flush dev eth0")
    lab.guest.sh("ip neigh flush dev eth0")
    lab.passes()
    yield keyer
    lab.quiet()


def slot(epoch, active=1, iv_epoch=None):
    s = structs["api_slot"](slot=SLOT, active=active, port=0, epoch=epoch, iv_epoch=iv_epoch or epoch)
    s.vip[0] = ip(GW)
    return s


def nothing_twice(packets):
    ivs, numbers = [p.iv for p in packets], [p.seq for p in packets]
    assert len(set(ivs)) == len(ivs)
    assert numbers == sorted(set(numbers))


def refused(gw):
    stats = gw.stats()[IN_SPI]
    return stats.replay_drops + stats.integrity_failures


def test_killed_forwarder_is_back_in_a_second_and_repeats_nothing(lab, keyed, tmp_path):
    gw = lab.holders[0]
    with capture(lab.site, "eth0", tmp_path / "wire.pcap", "ip proto 50"):
        lab.traffic()
        keyed.until_sent(gw, 200)
        top, end = keyed.top, keyed.end  # the last report; more packets follow it
        wait_for(lambda: gw.stats()[IN_SPI].replay_top > top + 20, 10, "packets after the report")
        killed = time.monotonic()
        gw.forwarder.kill()
        wait_for(lambda: gw.forwarder.restarts or not gw.forwarder.process.alive(), 5, "it is dead")
        gw.wait_forwarder()
        gw.configure(lab.epoch, iv_epoch=lab.epoch + 1)
        keyed.end += RESERVE
        keyed.install(gw, sequence=end, end=keyed.end, top=top)
        assert gw.stats()[IN_SPI].active
        back = time.monotonic() - killed
        keyed.until_sent(gw, end + 200)
        lab.passes()
        lab.quiet()
        seen = esp_wire.until(tmp_path / "wire.pcap", OUT_SPI, gw.stats()[OUT_SPI].sequence)
        old = [p.frame for p in seen[IN_SPI] if p.seq <= top]
        before = gw.stats()[IN_SPI].packets
        with counted(gw) as increase:
            inject(lab.site, "eth0", old)
            wait_for(lambda: refused(gw) >= len(old), 5, "all old packets are refused")
        # With ESN what is left of the window is taken for the next subspace (RFC 4303 A2.2).
        assert increase.get("drop.esp_replay", 0) + (increase.get("drop.esp_integrity", 0) if keyed.esn else 0) == len(old) > 100
        assert gw.stats()[IN_SPI].packets == before
    sent = seen[OUT_SPI]
    nothing_twice(sent)
    first = [p for p in sent if p.iv >> 40 == lab.epoch]
    second = [p for p in sent if p.iv >> 40 == lab.epoch + 1]
    assert len(first) > 150 and len(second) > 150 and len(first) + len(second) == len(sent)
    assert max(p.seq for p in first) <= end < min(p.seq for p in second)
    assert lab.kernel_refused() == (0, 0)
    assert back < (10 if is_sanitized() else BACK_S), "%.2f s" % back


def test_slot_moves_as_planned_without_a_leap_and_the_kernel_sees_no_number_twice(lab, keyed, tmp_path):
    gw1, gw2 = lab.holders
    keyed.install(gw2, end=keyed.end)
    with capture(lab.site, "eth0", tmp_path / "wire.pcap", "ip proto 50"):
        lab.traffic()
        keyed.until_sent(gw1, 200)
        gw1.set_slot(lab.epoch, 0)
        with gw2.api() as api:
            for record in gw1.records():
                assert record.exact
                api.set("sa_record", record)
        gw2.set_slot(lab.epoch + 1)
        moved_at = gw1.stats()[OUT_SPI].sequence
        wait_for(lambda: gw2.stats()[OUT_SPI].sequence >= moved_at + 200, 10, "gw2 sends")
        lab.passes()
        lab.quiet()
        esp_wire.until(tmp_path / "wire.pcap", OUT_SPI, gw2.stats()[OUT_SPI].sequence)
    sent = esp_wire.read(tmp_path / "wire.pcap")[OUT_SPI]
    nothing_twice(sent)
    first = [p for p in sent if p.iv >> 40 == lab.epoch]
    second = [p for p in sent if p.iv >> 40 == lab.epoch + 1]
    assert len(first) > 150 and len(second) > 150 and len(first) + len(second) == len(sent)
    assert max(p.seq for p in first) + 1 == min(p.seq for p in second)
    assert second[0].time - first[-1].time < (10 if is_sanitized() else 1)
    assert lab.kernel_refused() == (0, 0)
    assert gw2.stats()[IN_SPI].replay_drops == 0


def test_slot_taken_over_from_a_dead_forwarder_leaps_and_the_kernel_sees_no_number_twice(lab, keyed, tmp_path):
    gw1, gw2 = lab.holders
    keyed.install(gw2)
    with capture(lab.site, "eth0", tmp_path / "wire.pcap", "ip proto 50"):
        lab.traffic()
        keyed.until_sent(gw1, 200)
        copies = gw1.records()  # as a warm copy keeps them: not of the last packet
        wait_for(lambda: gw1.stats()[IN_SPI].replay_top > copies[0].replay_top + 20, 10, "packets after the copy")
        gw1.forwarder.wanted = False
        gw1.forwarder.kill()
        wait_for(lambda: not gw1.forwarder.process.alive(), 5, "it is dead")
        with gw2.api() as api:
            for copy in copies:
                copy.exact = 0
                api.set("sa_record", copy)
            api.set("sa_grant", conn=ESP, spi=OUT_SPI, sequence_end=keyed.end + RESERVE)
        gw2.set_slot(lab.epoch + 1)
        wait_for(lambda: gw2.stats()[OUT_SPI].sequence >= keyed.end + 200, 10, "gw2 sends")
        lab.passes()
        lab.quiet()
        esp_wire.until(tmp_path / "wire.pcap", OUT_SPI, gw2.stats()[OUT_SPI].sequence)
    sent = esp_wire.read(tmp_path / "wire.pcap")[OUT_SPI]
    nothing_twice(sent)
    second = [p for p in sent if p.iv >> 40 == lab.epoch + 1]
    assert len(second) > 150 and min(p.seq for p in second) == keyed.end + 1
    assert lab.kernel_refused() == (0, 0)
