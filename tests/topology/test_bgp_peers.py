# SPDX-License-Identifier: Apache-2.0
"""isthmus-bgp against FRR, GoBGP, ExaBGP and OpenBGPD: session, routes both ways, MD5 where the peer can.

   tenant namespace (10.0.0.1) ---- site (10.0.0.2) with the peer, AS 65001
   isthmus-bgp, AS 64512
"""

import os
import pwd
import shutil

import pytest

from bgp import speaker_beside
from localapi import constants
from net import Net, wait_for


@pytest.fixture
def scene():
    with Net() as net:
        speaker, site = speaker_beside(net, ["10.0.0.2"])
        speaker.network(7, "192.168.0.0/24")
        yield net, speaker, site


def up_and_both_ways(speaker, theirs, seconds=30):
    speaker.wait_established(7, "10.0.0.2", seconds)
    wait_for(lambda: speaker.fib_routes(7).get("10.1.0.0/16") == ["10.0.0.2"], 10, "the peer's route in the FIB")
    wait_for(theirs, 10, "our network at the peer")
    assert speaker.state(7, "10.0.0.2").treated_as_withdraw == 0


class Frr:
    """FRR's bgpd without zebra."""

    def __init__(self, net, site, more="", family=""):
        self.net, self.site, self.folder = net, site, net.dir / "frr"
        self.folder.mkdir(mode=0o777)
        shutil.chown(self.folder, "frr", "frr")
        os.chmod(net.dir, 0o755)
        self.conf = self.folder / "bgpd.conf"
        self.conf.write_text("""
router bgp 65001
 bgp router-id 10.0.0.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 bgp graceful-restart
 bgp graceful-restart preserve-fw-state
 timers bgp connect 1
 neighbor 10.0.0.1 remote-as 64512
%s
 address-family ipv4 unicast
  network 10.1.0.0/16
%s
""" % (more, family))
        self.process = None
        self.start()

    def start(self):
        self.process = self.net.spawn("frr-bgpd", [
            "/usr/lib/frr/bgpd", "-Z", "-f", self.conf, "-i", self.folder / "pid", "--vty_socket", self.folder,
            "-z", self.folder / "zserv.api", "-u", "frr", "-g", "frr", "-P", "0"], self.site)

    def crash(self):
        self.process.kill()
        self.process.proc.wait(5)

    def run(self, command):
        return self.site.run(["vtysh", "--vty_socket", self.folder, "-d", "bgpd", "-c", command], check=False).stdout

    def has(self, prefix):
        return prefix in self.run("show bgp ipv4 unicast")


class Gobgp:
    def __init__(self, net, site, more=""):
        self.net, self.site = net, site
        self.conf = net.dir / "gobgp.toml"
        self.conf.write_text("""
[global.config]
  as = 65001
  router-id = "10.0.0.2"
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.1"
    peer-as = 64512
%s
  [neighbors.timers.config]
    connect-retry = 1
""" % more)
        self.process = None
        self.start()

    def start(self, *options):
        self.process = self.net.spawn("gobgpd", ["gobgpd", "-f", self.conf, *options], self.site)
        wait_for(lambda: self.run("global"), 20, "gobgpd")
        self.run("global", "rib", "add", "10.1.0.0/16", "nexthop", "10.0.0.2")

    def crash(self):
        self.process.kill()
        self.process.proc.wait(5)

    def run(self, *words):
        return self.site.run(["gobgp", *words], check=False).stdout

    def has(self, prefix):
        return prefix in self.run("global", "rib")


def test_frr_holds_a_session_with_md5_and_takes_our_routes(scene):
    net, speaker, site = scene
    speaker.peer(7, "10.0.0.2", 65001, md5_key=b"secret", ttl_hops=1)
    frr = Frr(net, site, " neighbor 10.0.0.1 password secret\n neighbor 10.0.0.1 ttl-security hops 1")
    up_and_both_ways(speaker, lambda: frr.has("192.168.0.0/24"))


def keeps_routes_over_both_restarts(speaker, other, knows_its_routes=True):
    """Each side dies and comes back in turn; neither's routes leave the other meanwhile.

    One that is told its own routes only after its start may say End-of-RIB before: until then they stay."""
    fib = speaker.fib_routes(7)
    other.crash()
    wait_for(lambda: speaker.state(7, "10.0.0.2").restarting, 10, "its routes stale here")
    assert speaker.fib_routes(7) == fib
    other.start()
    seen = []
    wait_for(lambda: seen.append(speaker.fib_routes(7)) or speaker.state(7, "10.0.0.2").state == constants["API_BGP_ESTABLISHED"], 40,
             "the session after its restart")
    if knows_its_routes:
        wait_for(lambda: seen.append(speaker.fib_routes(7)) or not speaker.state(7, "10.0.0.2").restarting, 40, "the end of its restart")
    else:
        del seen[-1]  # from the moment the session came up
        wait_for(lambda: not speaker.state(7, "10.0.0.2").restarting and speaker.fib_routes(7) == fib, 40, "its routes after its restart")
    assert all(routes == fib for routes in seen)
    wait_for(lambda: other.has("192.168.0.0/24"), 20, "our network there")
    seen = []
    speaker.process.kill()
    speaker.process.proc.wait(5)
    speaker.api.close()
    seen += [(speaker.fib_routes(7), other.has("192.168.0.0/24")) for _ in range(5)]
    speaker.start()
    wait_for(lambda: seen.append((speaker.fib_routes(7), other.has("192.168.0.0/24"))) or
             speaker.state(7, "10.0.0.2").state == constants["API_BGP_ESTABLISHED"], 40, "the session after our restart")
    wait_for(lambda: other.has("192.168.0.0/24") and speaker.state(7, "10.0.0.2").received[0], 20, "both sides' routes")
    assert all(routes == fib for routes, _ in seen)
    assert all(there for _, there in seen)


def test_frr_restarts_gracefully_and_lets_us(scene):
    net, speaker, site = scene
    speaker.peer(7, "10.0.0.2", 65001)
    frr = Frr(net, site, " neighbor 10.0.0.1 graceful-restart")
    up_and_both_ways(speaker, lambda: frr.has("192.168.0.0/24"))
    frr.run("clear bgp 10.0.0.1 soft in")
    wait_for(lambda: speaker.state(7, "10.0.0.2").refresh.received > 0, 10, "FRR's ROUTE-REFRESH")
    keeps_routes_over_both_restarts(speaker, frr)


def test_gobgp_restarts_gracefully_and_lets_us(scene):
    net, speaker, site = scene
    speaker.peer(7, "10.0.0.2", 65001, md5_key=b"secret")
    gobgp = Gobgp(net, site, """    auth-password = "secret"
  [neighbors.graceful-restart.config]
    enabled = true
    restart-time = 60
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = true
""")
    up_and_both_ways(speaker, lambda: gobgp.has("192.168.0.0/24"))
    start = gobgp.start
    gobgp.start = lambda: start("-r")
    keeps_routes_over_both_restarts(speaker, gobgp, knows_its_routes=False)


def test_gobgp_holds_a_session_and_takes_our_routes(scene):
    net, speaker, site = scene
    speaker.peer(7, "10.0.0.2", 65001)
    gobgp = Gobgp(net, site)
    up_and_both_ways(speaker, lambda: gobgp.has("192.168.0.0/24"))


def test_exabgp_holds_a_session_and_takes_our_routes(scene):
    net, speaker, site = scene
    conf, received = net.dir / "exabgp.conf", net.dir / "exabgp.json"
    received.write_text("")
    os.chmod(net.dir, 0o755)
    received.chmod(0o666)
    script = net.dir / "exabgp.sh"
    # ExaBGP takes a helper whose output pipe closes for dead and ends after five of those: it stays open as 3.
    script.write_text("#!/bin/sh\nexec cat 3>&1 >> %s\n" % received)
    script.chmod(0o755)
    conf.write_text("""
process sink { run %s; encoder json; }
neighbor 10.0.0.1 {
  router-id 10.0.0.2; local-address 10.0.0.2; local-as 65001; peer-as 64512; hold-time 90;
  family { ipv4 unicast; }
  static { route 10.1.0.0/16 next-hop 10.0.0.2 large-community [ 65001:1:2 ] community [ 65001:9 ]; }
  api { processes [ sink ]; receive { parsed; update; } }
}
""" % script)
    speaker.peer(7, "10.0.0.2", 65001)
    net.spawn("exabgp", ["exabgp", conf], site, env={"exabgp.daemon.user": "root", "exabgp.api.cli": "false",
                                                   "exabgp.log.destination": "stderr"})
    up_and_both_ways(speaker, lambda: "192.168.0.0/24" in received.read_text(), 40)
    assert speaker.routes(7)["10.1.0.0/16"].communities == b"65001:9"


def test_openbgpd_holds_a_session_and_takes_our_routes(scene):
    net, speaker, site = scene
    conf, ctl = net.dir / "bgpd.conf", net.dir / "bgpd.ctl"
    conf.write_text("""
AS 65001
router-id 10.0.0.2
fib-update no
socket "%s"
listen on 10.0.0.2
network 10.1.0.0/16
neighbor 10.0.0.1 {
  remote-as 64512
  announce IPv4 unicast
}
allow from any
allow to any
""" % ctl)
    conf.chmod(0o600)
    speaker.peer(7, "10.0.0.2", 65001)
    # Its processes change root to their account's home, which lies in /run: a /run of its own will do.
    home = pwd.getpwnam("_openbgpd").pw_dir
    net.spawn("openbgpd", ["sh", "-c", "mount -t tmpfs tmpfs /run && mkdir -p %s && exec /usr/sbin/bgpd -d -f %s" % (home, conf)], site)
    up_and_both_ways(speaker, lambda: "192.168.0.0/24" in site.run(["bgpctl", "-s", ctl, "show", "rib"], check=False).stdout)
