# SPDX-License-Identifier: Apache-2.0
"""BFD for a tenant's BGP peers (RFC 5882, 5883): the forwarder's sessions with BIRD's at the sites.

   site-a-lan  BIRD with BFD, 3 x 300 ms, at 14.1.20.1 --GRE--.
                                                               gateway: routerIP, hold time 90 s
   vlan-a      BIRD without BFD at 14.1.30.1 -----------VLAN--'
"""

import json
import time

import pytest

from bgp_lab import PEER_GRE, PEER_VLAN, BgpLab, bgp_lab, wait_learnt
from conftest import is_sanitized
from localapi import constants, ip_text
from net import wait_for

UP = constants["API_BFD_UP"]
FLOOR_S, DETECTION_S = 0.7, 0.9
LATE_S = 3.0 if is_sanitized() else 0.5  # reports to the speaker, on a loaded machine


class BfdLab(BgpLab):
    def router(self, t):
        router = super().router(t)
        for peer in router["bgpPeers"]:
            if peer["resourceId"] == "SiteGre":
                peer["properties"]["isthmus"] = {"bfd": {"enabled": True, "intervalMs": 300, "multiplier": 3}}
        return router

    def start_sites(self, t):
        self.start_gre_bird(t, extra="bfd on;", protocols="protocol bfd { multihop { interval 300 ms; multiplier 3; }; }")
        self.start_vlan_bird(t)

    def bfd(self, t):
        """The forwarder's BFD session with the GRE site."""
        with self.gateway.api() as api:
            return next((s for s in api.dump("bfd_state") if s.vrf == self.vrf(t) and ip_text(s.remote) == PEER_GRE), None)

    def carry(self, t, state):
        """The GRE site's cable, at the switch."""
        self.scene.fabric.switch.ip("link set %s.ul0 %s" % (t.gre_site.name, state))

    def shown(self, t):
        return json.loads(self.cli("get", "bgppeers", t.name + "/Router1/SiteGre", "-o", "json"))["properties"]


@pytest.fixture(scope="module")
def lab():
    with bgp_lab(BfdLab) as lab:
        wait_learnt(lab)
        yield lab


def test_bfd_comes_up_with_the_session(lab):
    for t in lab.tenants:
        wait_for(lambda: lab.bfd(t) and lab.bfd(t).state == UP, 20, "BFD with the site of " + t.name)
        assert lab.bfd(t).detection_us >= FLOOR_S * 1e6, "never below the bound of a take-over"
        assert "Up" in lab.birds[t.name, t.gre_site.name].ctl_run("show", "bfd", "sessions")
        wait_for(lambda: lab.shown(t)["isthmus"].get("bfdState") == "Up", 10, "it is shown")


def test_a_cut_link_ends_the_session_within_the_detection_time(lab, capsys):
    t, other = lab.tenants
    wait_for(lambda: lab.bfd(t) and lab.bfd(t).state == UP, 20, "BFD is up")
    flaps = lab.peer_state(t, PEER_GRE).flaps
    cut = time.monotonic()
    lab.carry(t, "down")
    wait_for(lambda: lab.peer_state(t, PEER_GRE).flaps > flaps, 30, "the session ends")
    down_s = time.monotonic() - cut
    with capsys.disabled():
        print("\n  link cut: BGP down by BFD after %.2f s (hold time 90 s)" % down_s)
    state = lab.peer_state(t, PEER_GRE)
    assert b"BFD Down: no BFD packet within the detection time" in state.last_error, state.last_error
    assert FLOOR_S - 0.35 <= down_s <= DETECTION_S + 0.3 + LATE_S
    wait_for(lambda: "BFD Down" in lab.shown(t)["isthmus"]["lastError"], 10, "the reason is shown")
    assert lab.shown(t)["connectionState"] == "Disconnected" and lab.shown(t)["isthmus"]["bfdState"] == "Down"
    assert lab.peer_state(t, PEER_VLAN).flaps == 0 and lab.peer_state(other, PEER_GRE).flaps == 0
    assert t.gre_lan in lab.fib(other)


def test_the_session_returns_with_the_link(lab):
    t = lab.tenants[0]
    lab.carry(t, "up")
    wait_learnt(lab)
    wait_for(lambda: lab.bfd(t).state == UP, 20, "BFD is up again")


def test_bfd_switched_off_by_rest_ends_no_session(lab):
    t = lab.tenants[0]
    path = "virtualGateways/%s/bgpRouters/Router1/bgpPeers/SiteGre" % t.name
    flaps = lab.peer_state(t, PEER_GRE).flaps
    peer = lab.nc.get(path)["properties"]
    peer["isthmus"]["bfd"] = None
    lab.nc.put(path, peer)
    wait_for(lambda: lab.bfd(t) is None, 10, "the forwarder's session goes")
    wait_for(lambda: "Up" not in lab.birds[t.name, t.gre_site.name].ctl_run("show", "bfd", "sessions"), 20, "BIRD sees it go")
    assert lab.peer_state(t, PEER_GRE).flaps == flaps
