# SPDX-License-Identifier: Apache-2.0
"""isthmus-bgp against BIRD 2.

   tenant namespace (10.0.0.1, 2001:db8::1) ---- site (10.0.0.2, 2001:db8::2) with BIRD, AS 65001
   isthmus-bgp, AS 64512
"""

import pytest

from bgp import Bird, Speaker
from net import Net, wait_for

STATIC = """
protocol static s4 { ipv4; route 10.1.0.0/16 blackhole; route 10.1.2.0/24 blackhole { bgp_community.add((65001,7)); }; }
protocol static s6 { ipv6; route 2001:db8:1::/48 blackhole; }
"""


def bgp(name="isthmus", local="10.0.0.2", local_as=65001, remote="10.0.0.1", remote_as=64512, extra="",
        channels="ipv4 { import all; export filter { if net = 10.1.2.0/24 then bgp_med = 50; accept; }; }; ipv6 { import all; export all; };"):
    return "protocol bgp %s { local %s as %d; neighbor %s as %d; connect retry time 1; connect delay time 1; error wait time 1, 2; %s %s }\n" % (
        name, local, local_as, remote, remote_as, extra, channels)


@pytest.fixture
def scene():
    with Net() as net:
        tenant, site = net.namespace("tenant"), net.namespace("site")
        net.link(tenant, "eth0", site, "eth0", mtu=1500)
        tenant.ip("addr add 10.0.0.1/24 dev eth0", "addr add 2001:db8::1/64 dev eth0")
        site.ip("addr add 10.0.0.2/24 dev eth0", "addr add 2001:db8::2/64 dev eth0")
        speaker = Speaker(net)
        speaker.tenant(7, tenant, "10.0.0.1", "2001:db8::1")
        yield net, speaker, tenant, site


def test_session_learns_announces_and_fills_the_fib(scene):
    net, speaker, _, site = scene
    speaker.router(7, 64512, "10.0.0.1", "2001:db8::1")
    speaker.network(7, "192.168.0.0/24")
    speaker.network(7, "2001:db8:7::/48")
    speaker.peer(7, "10.0.0.2", 65001, "ipv6")
    bird = Bird(net, site, "bird", "router id 10.0.0.2;\n" + STATIC + bgp())
    speaker.wait_established(7, "10.0.0.2")
    wait_for(lambda: speaker.fib_routes(7) == {
        "10.1.0.0/16": ["10.0.0.2"], "10.1.2.0/24": ["10.0.0.2"], "2001:db8:1::/48": ["2001:db8::2"]}, what="the FIB: %s" % speaker.fib_routes(7))
    best = speaker.routes(7)
    assert best["10.1.2.0/24"].as_path == b"65001"
    assert best["10.1.2.0/24"].communities == b"65001:7"
    assert best["10.1.2.0/24"].med == 50
    wait_for(lambda: "192.168.0.0/24" in bird.routes(), what="our network at BIRD")
    assert "BGP.as_path: 64512" in bird.routes()["192.168.0.0/24"]
    assert "BGP.next_hop: 10.0.0.1" in bird.routes()["192.168.0.0/24"]
    wait_for(lambda: "2001:db8:7::/48" in bird.routes("master6"), what="our IPv6 network at BIRD")
    assert "BGP.next_hop: 2001:db8::1" in bird.routes("master6")["2001:db8:7::/48"]
    bird.ctl_run("disable", "s4")
    wait_for(lambda: speaker.fib_routes(7) == {"2001:db8:1::/48": ["2001:db8::2"]}, what="withdrawal")
