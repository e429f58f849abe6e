# SPDX-License-Identifier: Apache-2.0
"""A tenant whose neighbour means harm: no other tenant's session suffers, though its hold timer is 3 s.

   vrf 1..8: good tenants, BIRD with hold time 3 s behind each
   vrf 9:    the hostile one, bgp_hostile.py as its neighbour
"""

import sys
import time

import pytest

from bgp import Bird, Speaker
from localapi import LocalApi, constants, prefix_text
from net import ROOT, Net, wait_for

GOOD = range(1, 9)
HOSTILE = 9
SECONDS = {"million": 7, "flap": 5, "sessions": 5, "garbage": 5}  # all more than a hold time


@pytest.fixture(scope="module")
def scene():
    birds = {}
    with Net() as net:
        speaker = Speaker(net)
        for vrf in (*GOOD, HOSTILE):
            tenant, site = net.namespace("t%d" % vrf), net.namespace("s%d" % vrf)
            net.link(tenant, "eth0", site, "eth0", mtu=1500)
            tenant.ip("addr add 10.0.0.1/24 dev eth0")
            site.ip("addr add 10.0.0.2/24 dev eth0")
            speaker.tenant(vrf, tenant, "10.0.0.1")
            speaker.router(vrf, 64512, "10.0.0.1", max_routes=1200000)
            if vrf == HOSTILE:
                speaker.peer(vrf, "10.0.0.2", 65001, "passive")
                continue
            speaker.peer(vrf, "10.0.0.2", 65001, hold_time_s=3)
            birds[vrf] = Bird(net, site, "bird%d" % vrf, """
router id 10.0.0.2;
protocol static { ipv4; route 10.1.0.0/16 blackhole; }
protocol static more { disabled; ipv4; route 10.2.0.0/16 blackhole; }
protocol bgp isthmus { local 10.0.0.2 as 65001; neighbor 10.0.0.1 as 64512; hold time 3; keepalive time 1;
  connect retry time 1; connect delay time 1; error wait time 1, 2; ipv4 { import all; export all; }; }
""")
        for vrf in GOOD:
            speaker.wait_established(vrf, "10.0.0.2", 30)
        yield net, speaker, net.namespaces["s%d" % HOSTILE], birds


def state(speaker, vrf):
    return speaker.state(vrf, "10.0.0.2")


def seen_from_the_other_side(birds):
    """{vrf: the line of the session at the neighbour, with its state and since when it is in it}."""
    return {vrf: bird.ctl_run("show", "protocols", "isthmus").splitlines()[-1] for vrf, bird in birds.items()}


@pytest.mark.parametrize("mode", SECONDS)
def test_a_hostile_neighbour_harms_no_other_tenant(scene, capsys, mode):
    net, speaker, site, birds = scene
    at_birds = seen_from_the_other_side(birds)
    before = {vrf: state(speaker, vrf).flaps for vrf in GOOD}
    opened = state(speaker, HOSTILE).open.received
    hostile = net.spawn("hostile-" + mode, [sys.executable, ROOT / "tests/lib/bgp_hostile.py", mode, "10.0.0.2", "10.0.0.1", "65001",
                                            str(SECONDS[mode])], site)
    seen = [0]
    wait_for(lambda: state(speaker, HOSTILE).open.received > opened, 5, "the hostile neighbour's first session")
    began = time.monotonic()
    for wish, word in ((True, "enable"), (False, "disable")):  # what others say is heard meanwhile
        birds[1].ctl_run(word, "more")
        wait_for(lambda: ("10.2.0.0/16" in speaker.routes(1)) is wish, 3, "a route of another tenant's: " + word)
    heard_s = time.monotonic() - began
    assert hostile.alive()

    def done():
        hostile_state = state(speaker, HOSTILE)  # and the speaker answers all the while
        seen[0] = max(seen[0], hostile_state.received[0])
        return not hostile.alive()
    wait_for(done, 60, "the hostile neighbour has had its time", step=0.1)
    sent, sessions = map(int, hostile.output().split()[-2:])
    with capsys.disabled():
        print("\n  %s: %.1f MB in %d sessions, at most %d prefixes; two changes of another's heard in %.2f s" % (
            mode, sent / 1e6, sessions, seen[0], heard_s))
    for vrf in GOOD:
        s = state(speaker, vrf)
        assert s.state == constants["API_BGP_ESTABLISHED"] and s.hold_time_s == 3, (vrf, s.last_error)
        assert s.flaps == before[vrf], (vrf, s.last_error)
        assert speaker.fib_routes(vrf) == {"10.1.0.0/16": ["10.0.0.2"]}
    assert seen_from_the_other_side(birds) == at_birds
    assert all("Established" in line for line in at_birds.values())
    assert sessions >= (20 if mode in ("sessions", "garbage") else 1)
    assert sent > 1000000
    if mode == "million":
        assert seen[0] == 1000000


def test_a_listener_that_never_reads_keeps_nobody_waiting(scene):
    """It is disconnected, which is counted and said; who does read learns all that changes, each prefix as it is by then."""
    net, speaker, site, _ = scene
    slow, quick = LocalApi(speaker.path, timeout=30), LocalApi(speaker.path, timeout=30)
    slow.subscribe("bgp_route")
    quick.subscribe("bgp_route")
    hostile = net.spawn("hostile-slow", [sys.executable, ROOT / "tests/lib/bgp_hostile.py", "flap", "10.0.0.2", "10.0.0.1", "65001",
                                         "9"], site)
    speaker.network(HOSTILE, "192.168.9.0/24")
    known, events = set(), 0
    while hostile.alive() or known != {"192.168.9.0/24"}:
        route = quick.wait_event("bgp_route")
        events += 1
        (known.add if route.verdict else known.discard)(prefix_text(route.prefix))
    assert events > 10000
    assert "has not read" in speaker.output()
    count = [c for c in speaker.api.dump("message_count") if c.type == constants["API_TYPE_BGP_ROUTE"]]
    assert [c.dropped for c in count] == [1]
    with pytest.raises(OSError):  # it is told all anew when it comes again
        while True:
            slow.wait_event("bgp_route")
