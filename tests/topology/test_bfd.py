# SPDX-License-Identifier: Apache-2.0
"""BFD of the forwarder against FRR's bfdd and BIRD, in the underlay and inside a tenant.

   router (10.64.0.1) --- up0, untagged: 10.64.0.21   forwarder
   site (15.0.0.1) ---------------------- trunk0, untagged: 15.0.0.5, tenant 7's L3 connection
"""

import contextlib
import signal

import pytest

from bfd import Bfdd
from bgp import Bird
from gateway import Gateway
from localapi import LocalApi, constants, ip, ip_text, structs
from net import Net, wait_for

C = constants
TENANT, OWN, ROUTER = 7, "10.64.0.21", "10.64.0.1"
L3_OWN, SITE = "15.0.0.5", "15.0.0.1"
FLAG = {name[10:].lower(): value for name, value in C.items() if name.startswith("API_BFD_F_")}


def l3_conn():
    c = structs["api_conn"](conn=1, vrf=TENANT, slot=1, type=C["API_CONN_L3"], flags=C["API_CONN_F_ENABLED"],
                            l3_port=1, l3_vlan=0, l3_addr_count=1, l3_peer_count=1, name=b"l3")
    c.l3_addr[0].addr, c.l3_addr[0].prefix_len, c.l3_peer[0] = ip(L3_OWN), 29, ip(SITE)
    return c


class Scene:
    def __init__(self, net):
        self.net = net
        self.gw, self.router, self.site = (net.namespace(n) for n in ("gw", "router", "site"))
        net.link(self.gw, "up0", self.router, "eth0", mtu=1500)
        net.link(self.gw, "trunk0", self.site, "eth0", mtu=1500)
        self.router.ip("addr add %s/24 dev eth0" % ROUTER)
        self.site.ip("addr add %s/29 dev eth0" % SITE)
        self.gateway = Gateway(net, self.gw)
        self.start()

    def start(self):
        self.gateway.start_forwarder()
        self.configure()

    def configure(self):
        self.api = self.gateway.api()
        self.api.set("underlay_addr", port=0, addr=ip(OWN), prefix_len=24)
        self.slot(1)
        self.api.set("vrf", vrf=TENANT, name=b"contoso")
        self.api.set("conn", l3_conn())

    def slot(self, epoch, active=1):
        self.api.set("slot", slot=1, active=active, port=0, epoch=epoch, iv_epoch=epoch)

    def bfd(self, *flags, vrf=0, local=OWN, remote=ROUTER, ms=100, multiplier=3, **more):
        self.api.set("bfd", vrf=vrf, local=ip(local), remote=ip(remote), flags=sum(FLAG[f] for f in flags),
                     min_tx_us=ms * 1000, min_rx_us=ms * 1000, multiplier=multiplier, **more)

    def state(self, remote=ROUTER):
        return next(s for s in self.api.dump("bfd_state") if ip_text(s.remote) == remote)

    def wait(self, state, remote=ROUTER, seconds=10):
        try:
            return wait_for(lambda: self.state(remote).state == C["API_BFD_" + state] and self.state(remote), seconds, state)
        except AssertionError as error:
            raise AssertionError("%s\n%s\n%s" % (error, self.state(remote), self.gateway.counters())) from None


@pytest.fixture
def scene():
    with Net() as net:
        yield Scene(net)


def frr_peer(remote, local, words="", ms=100, passive=False):
    return " peer %s local-address %s %s\n  transmit-interval %d\n  receive-interval %d\n  detect-multiplier 3\n%s  no shutdown\n" % (
        remote, local, words, ms, ms, "  passive-mode\n" if passive else "")


def wait_frr(frr, peer, status="up"):
    return wait_for(lambda: frr.peers().get(peer, {}).get("status") == status and frr.peers()[peer], 15, "bfdd's peer %s is %s: %s" % (
        peer, status, frr.peers()))


def test_frr_holds_a_session_and_negotiates(scene):
    frr = Bfdd(scene.net, scene.router, "frr", frr_peer(OWN, ROUTER, ms=150))
    scene.bfd("c_bit", ms=100, multiplier=5)
    scene.wait("UP")
    wait_frr(frr, OWN)
    wait_for(lambda: scene.state().detection_us == 450000, 5, "3 times FRR's 150 ms")
    assert scene.state().tx_interval_us == 150000
    ours = wait_for(lambda: frr.peers()[OWN]["remote-transmit-interval"] == 100 and frr.peers()[OWN], 5, "our interval at FRR")
    assert ours["remote-detect-multiplier"] == 5
    assert ours["id"] == scene.state().remote_discriminator and ours["remote-id"] == scene.state().discriminator
    before = scene.state()
    scene.bfd("c_bit", ms=400, multiplier=3)  # a Poll Sequence, and no flap
    wait_for(lambda: frr.peers()[OWN]["remote-transmit-interval"] == 400, 5, "the new interval at FRR")
    wait_for(lambda: scene.state().detection_us == 1200000, 5, "the new detection time")
    assert scene.state().transitions == before.transitions and scene.state().state == C["API_BFD_UP"]


def test_frr_that_hangs_is_seen_within_the_detection_time_and_its_shutdown_is_told(scene):
    frr = Bfdd(scene.net, scene.router, "frr", frr_peer(OWN, ROUTER))
    with scene.gateway.api() as events:
        events.subscribe("bfd_state")
        scene.bfd()
        scene.wait("UP")
        wait_frr(frr, OWN)
        frr.process.kill(signal.SIGSTOP)
        wait_for(lambda: scene.state().state == C["API_BFD_DOWN"], 2, "Down")
        down = scene.state()
        assert down.diag == 1 and down.remote_discriminator == 0
        frr.process.kill(signal.SIGCONT)
        scene.wait("UP")
        wait_frr(frr, OWN)
        frr.configure("bfd", "peer %s local-address %s" % (OWN, ROUTER), "shutdown")
        wait_for(lambda: scene.state().remote_state == C["API_BFD_ADMIN_DOWN"], 5, "FRR's AdminDown")
        assert scene.state().diag == 3
        seen = []
        while not seen or seen[-1].remote_state != C["API_BFD_ADMIN_DOWN"]:
            seen.append(events.wait_event("bfd_state"))
        ups = [s.state == C["API_BFD_UP"] for s in seen]
        assert [u for u, before in zip(ups, [None] + ups) if u != before] == [False, True, False, True, False]


def test_our_admin_down_and_end_are_told_to_frr(scene):
    """FRR is Down long before its detection time of 3 s could have run out."""
    frr = Bfdd(scene.net, scene.router, "frr", frr_peer(OWN, ROUTER, ms=1000))

    def down():
        wait_for(lambda: frr.peers()[OWN]["status"] == "down", 1.5, "FRR hears of it")
    scene.bfd(ms=1000)
    wait_frr(frr, OWN)
    scene.bfd("admin_down", ms=1000)
    down()
    scene.bfd(ms=1000)
    wait_frr(frr, OWN)
    scene.api.delete("bfd", local=ip(OWN), remote=ip(ROUTER))
    down()


BIRD = """router id 1.1.1.1;
protocol bfd { interface "*" { min rx interval %d ms; min tx interval %d ms; idle tx interval 1 s; multiplier 3; };
 multihop { min rx interval %d ms; min tx interval %d ms; multiplier 3; }; neighbor %s; }
"""


def bird(scene, ns, neighbour, ms=100, name="bird"):
    return Bird(scene.net, ns, name, BIRD % (ms, ms, ms, ms, neighbour))


def bird_state(it):
    lines = [line.split() for line in it.ctl_run("show", "bfd", "sessions").splitlines() if line.startswith("1")]
    return {words[0]: words[2] for words in lines if len(words) > 2}


def test_bird_holds_a_single_hop_and_a_multihop_session(scene):
    scene.bfd()
    it = bird(scene, scene.router, '%s dev "eth0"' % OWN)
    scene.wait("UP")
    wait_for(lambda: bird_state(it).get(OWN) == "Up", 10, "BIRD's session: %s" % it.ctl_run("show", "bfd", "sessions"))
    it.reconfigure(BIRD % (100, 100, 100, 100, "%s local %s multihop" % (OWN, ROUTER)))
    scene.wait("DOWN")
    scene.api.delete("bfd", local=ip(OWN), remote=ip(ROUTER))
    scene.bfd("multihop")
    scene.wait("UP")
    wait_for(lambda: bird_state(it).get(OWN) == "Up", 10, "BIRD's multihop session")


def test_bird_at_a_tenants_site_sees_no_detection_time_below_the_bound(scene):
    it = bird(scene, scene.site, '%s dev "eth0"' % L3_OWN, ms=50)
    scene.bfd(vrf=TENANT, local=L3_OWN, remote=SITE, ms=50)
    scene.wait("UP", SITE)
    wait_for(lambda: bird_state(it).get(L3_OWN) == "Up", 10, "BIRD's session in the tenant")
    state = wait_for(lambda: scene.state(SITE).tx_interval_us < 1000000 and scene.state(SITE), 5, "the negotiated interval")
    assert state.detection_us >= 700000 and state.remote_detection_us >= 700000
    assert state.vrf == TENANT


def test_packets_over_more_than_one_hop_are_dropped_and_counted(scene):
    from scapy.all import Ether, IP, UDP, Raw
    from traffic import inject
    scene.bfd("passive")
    with contextlib.closing(scene.gateway.api()) as api:
        port = api.dump("port")[0]
    control = bytes([0x20, 0x40, 3, 24, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0x0f, 0x42, 0x40, 0, 0x0f, 0x42, 0x40, 0, 0, 0, 0])

    def frame(ttl):
        return bytes(Ether(dst=":".join("%02x" % b for b in port.mac.bytes), src="02:00:00:00:00:09") /
                     IP(src=ROUTER, dst=OWN, ttl=ttl) / UDP(sport=49152, dport=3784) / Raw(control))
    before = scene.gateway.counters().get("drop.bfd_ttl", 0)
    inject(scene.router, "eth0", frame(254), 5)
    wait_for(lambda: scene.gateway.counters()["drop.bfd_ttl"] == before + 5, 5, "five dropped")
    assert scene.state().rx_packets == 0 and scene.state().state == C["API_BFD_DOWN"]
    inject(scene.router, "eth0", frame(255), 1)
    wait_for(lambda: scene.state().state == C["API_BFD_INIT"], 5, "the one from the link")


def test_a_slots_new_holder_goes_on_with_the_session_unnoticed(scene):
    """The slot leaves and comes back: the site's BIRD sees one session all along."""
    it = bird(scene, scene.site, '%s dev "eth0"' % L3_OWN, ms=100)
    scene.bfd("resume", vrf=TENANT, local=L3_OWN, remote=SITE, ms=100, discriminator=0x70000001)
    scene.wait("UP", SITE)
    wait_for(lambda: bird_state(it).get(L3_OWN) == "Up", 10, "BIRD's session")
    wait_for(lambda: scene.state(SITE).detection_us == 700000, 5, "the bound")
    since = it.ctl_run("show", "bfd", "sessions").split(L3_OWN)[1].split()[2]
    scene.slot(1, active=0)
    wait_for(lambda: scene.state(SITE).dormant, 2, "dormant")
    scene.slot(2)
    wait_for(lambda: not scene.state(SITE).dormant and scene.state(SITE).state == C["API_BFD_UP"], 3, "Up again")
    received = scene.state(SITE).rx_packets
    wait_for(lambda: scene.state(SITE).rx_packets > received + 10, 10, "packets of a session that lasts")
    assert it.ctl_run("show", "bfd", "sessions").split(L3_OWN)[1].split()[2] == since
    assert scene.state(SITE).remote_diag == 0
