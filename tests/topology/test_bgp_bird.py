# SPDX-License-Identifier: Apache-2.0
"""isthmus-bgp against BIRD 2.

   tenant namespace (10.0.0.1, 2001:db8::1) ---- site (10.0.0.2, 2001:db8::2) with BIRD, AS 65001
   isthmus-bgp, AS 64512
"""

import pytest

from bgp import Bird, Speaker
from localapi import constants, ip
from net import Net, wait_for

STATIC = """
protocol static s4 { ipv4; route 10.1.0.0/16 blackhole; route 10.1.2.0/24 blackhole { bgp_community.add((65001,7)); }; }
protocol static s6 { ipv6; route 2001:db8:1::/48 blackhole; }
"""


def bgp(name="isthmus", local="10.0.0.2", local_as=65001, remote="10.0.0.1", remote_as=64512, extra="",
        channels="ipv4 { import all; export filter { if net = 10.1.2.0/24 then bgp_med = 50; accept; }; }; "
                 "ipv6 { import all; export all; };"):
    return ("protocol bgp %s { local %s as %d; neighbor %s as %d; connect retry time 1; connect delay time 1; "
            "error wait time 1, 2; %s %s }\n") % (
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
        "10.1.0.0/16": ["10.0.0.2"], "10.1.2.0/24": ["10.0.0.2"], "2001:db8:1::/48": ["2001:db8::2"]},
        what="the FIB: %s" % speaker.fib_routes(7))
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


def test_md5_and_gtsm_guard_the_session(scene):
    net, speaker, _, site = scene
    speaker.router(7, 64512, "10.0.0.1")
    speaker.peer(7, "10.0.0.2", 65001, md5_key=b"not this", ttl_hops=1)
    bird = Bird(net, site, "bird", "router id 10.0.0.2;\n" + STATIC +
                bgp(extra='password "secret"; ttl security on;', channels="ipv4 { import all; export all; };"))
    # With unequal keys no segment passes: several attempts of ours and BIRD's come to nothing.
    attempts = []
    wait_for(lambda: attempts.append(speaker.state(7, "10.0.0.2").state) or len(attempts) > 150, 20)
    assert constants["API_BGP_ESTABLISHED"] not in attempts
    assert speaker.state(7, "10.0.0.2").open.received == 0
    speaker.peer(7, "10.0.0.2", 65001, md5_key=b"secret", ttl_hops=1)
    speaker.wait_established(7, "10.0.0.2")
    wait_for(lambda: "10.1.0.0/16" in speaker.fib_routes(7), what="routes over the guarded session")
    assert "Established" in bird.ctl_run("show", "protocols", "isthmus")


def test_session_over_ipv6_carries_ipv4_with_an_ipv6_next_hop(scene):
    net, speaker, _, site = scene
    speaker.router(7, 64512, "10.0.0.1", "2001:db8::1")
    speaker.network(7, "192.168.0.0/24")
    speaker.peer(7, "2001:db8::2", 65001, "ipv6", "ipv6_nexthop")
    bird = Bird(net, site, "bird", "router id 10.0.0.2;\n" + STATIC + bgp(
        local="2001:db8::2", remote="2001:db8::1",
        channels="ipv4 { import all; export all; extended next hop on; }; ipv6 { import all; export all; };"))
    speaker.wait_established(7, "2001:db8::2")
    wait_for(lambda: speaker.fib_routes(7).get("10.1.0.0/16") == ["2001:db8::2"], what="an IPv6 next hop in the FIB")
    wait_for(lambda: "BGP.next_hop: 2001:db8::1" in bird.routes().get("192.168.0.0/24", ""), what="ours at BIRD")


def test_kill_9_of_isthmus_bgp_keeps_the_fib_and_the_neighbours_routes(scene):
    net, speaker, _, site = scene
    speaker.router(7, 64512, "10.0.0.1")
    speaker.network(7, "192.168.0.0/24")
    speaker.peer(7, "10.0.0.2", 65001)
    bird = Bird(net, site, "bird", "router id 10.0.0.2;\n" + STATIC + bgp(
        extra="graceful restart on;", channels="ipv4 { import all; export all; };"))
    speaker.wait_established(7, "10.0.0.2")
    before = wait_for(lambda: len(speaker.fib_routes(7)) == 2 and speaker.fib_routes(7), what="the FIB")
    wait_for(lambda: "192.168.0.0/24" in bird.routes(), what="our network at BIRD")
    speaker.process.kill()
    speaker.process.proc.wait(5)
    wait_for(lambda: "graceful restart active" in bird.ctl_run("show", "protocols", "all", "isthmus"), what="BIRD as helper")
    assert speaker.fib_routes(7) == before
    assert "192.168.0.0/24" in bird.routes()
    speaker.api.close()
    seen = []
    speaker.start()
    wait_for(lambda: seen.append((speaker.fib_routes(7), sorted(bird.routes()))) or
             speaker.state(7, "10.0.0.2").state == constants["API_BGP_ESTABLISHED"], 20, "session after the restart")
    wait_for(lambda: seen.append((speaker.fib_routes(7), sorted(bird.routes()))) or
             "graceful restart active" not in bird.ctl_run("show", "protocols", "all", "isthmus"), 20, "end of the restart")
    assert all(fib == before for fib, _ in seen)
    assert all("192.168.0.0/24" in at_bird for _, at_bird in seen)


def test_kill_9_of_the_neighbour_keeps_its_routes_until_it_is_back(scene):
    net, speaker, _, site = scene
    config = "router id 10.0.0.2;\n" + STATIC + bgp(extra="graceful restart on;", channels="ipv4 { import all; export all; };")
    speaker.router(7, 64512, "10.0.0.1")
    speaker.peer(7, "10.0.0.2", 65001)
    bird = Bird(net, site, "bird", config)
    speaker.wait_established(7, "10.0.0.2")
    before = wait_for(lambda: len(speaker.fib_routes(7)) == 2 and speaker.fib_routes(7), what="the FIB")
    bird.process.kill()
    bird.process.proc.wait(5)
    wait_for(lambda: speaker.state(7, "10.0.0.2").restarting, what="stale routes")
    assert speaker.fib_routes(7) == before
    bird.ctl.unlink()
    bird = Bird(net, site, "bird2", config.replace("route 10.1.0.0/16 blackhole;", ""))
    speaker.wait_established(7, "10.0.0.2")
    wait_for(lambda: sorted(speaker.fib_routes(7)) == ["10.1.2.0/24"], what="what did not come back to go")
    assert not speaker.state(7, "10.0.0.2").restarting


def test_reflector_serves_clients_and_a_site(scene):
    net, speaker, tenant, site = scene
    client = net.namespace("client")
    net.link(tenant, "eth1", client, "eth0", mtu=1500)
    tenant.ip("addr add 10.0.1.1/24 dev eth1")
    client.ip("addr add 10.0.1.2/24 dev eth0", "route add default via 10.0.1.1")
    speaker.router(7, 64512, "10.0.0.1")
    speaker.peer(7, "10.0.0.2", 65001)
    speaker.listen(7, "10.0.1.1")
    speaker.peer(7, "10.0.1.2", 64512, "client", local=ip("10.0.1.1"))
    Bird(net, site, "site", "router id 10.0.0.2;\n" + STATIC + bgp(channels="ipv4 { import all; export all; };"))
    other = Bird(net, client, "client", "router id 10.0.1.2;\nprotocol static { ipv4; route 10.7.0.0/16 blackhole; }\n" + bgp(
        local="10.0.1.2", local_as=64512, remote="10.0.1.1", extra="multihop;",
        channels="ipv4 { import all; export all; gateway recursive; };"))
    speaker.wait_established(7, "10.0.0.2")
    speaker.wait_established(7, "10.0.1.2")
    wait_for(lambda: "BGP.next_hop: 10.0.0.2" in other.routes().get("10.1.0.0/16", ""), what="the site's route at the client")
    assert "BGP.as_path: 65001" in other.routes()["10.1.0.0/16"]
    wait_for(lambda: "10.7.0.0/16" in speaker.routes(7, "ADVERTISED", "10.0.0.2"), what="the client's route told to the site")


def test_route_refresh_and_policy_change_without_a_reset(scene):
    net, speaker, _, site = scene
    speaker.router(7, 64512, "10.0.0.1")
    speaker.network(7, "192.168.0.0/24")
    speaker.policy(7, "IN", (1, "ENTRY", {"v": [constants["API_BGP_DENY"]], "text": "P1"}),
                   (1, "MATCH_PREFIX", {"prefix": "10.1.2.0/24"}))
    speaker.peer(7, "10.0.0.2", 65001, policy_in=b"IN")
    bird = Bird(net, site, "bird", "router id 10.0.0.2;\n" + STATIC + bgp(channels="ipv4 { import all; export all; };"))
    speaker.wait_established(7, "10.0.0.2")
    wait_for(lambda: sorted(speaker.fib_routes(7)) == ["10.1.0.0/16"], what="one denied")
    received = speaker.routes(7, "RECEIVED", "10.0.0.2")
    assert received["10.1.2.0/24"].verdict == constants["API_BGP_REJECT_POLICY"]
    assert received["10.1.2.0/24"].reason == b"policy map 'IN' entry 'P1'"
    speaker.policy(7, "IN", (1, "ENTRY", {"v": [constants["API_BGP_MODIFY"]], "text": "P1"}),
                   (1, "SET_LOCAL_PREF", {"v": [222]}))
    wait_for(lambda: sorted(speaker.fib_routes(7)) == ["10.1.0.0/16", "10.1.2.0/24"], what="the denied one back")
    assert speaker.routes(7)["10.1.2.0/24"].local_pref == 222
    bird.ctl_run("reload", "in", "isthmus")
    wait_for(lambda: speaker.state(7, "10.0.0.2").refresh.received > 0, what="BIRD's ROUTE-REFRESH")
    assert "192.168.0.0/24" in bird.routes()
    assert speaker.state(7, "10.0.0.2").flaps == 0


def test_hundreds_of_networks_are_announced_under_the_seccomp_filter(scene):
    net, speaker, _, site = scene
    speaker.router(7, 64512, "10.0.0.1")
    for i in range(300):
        speaker.network(7, "192.168.%d.%d/32" % (i // 256, i % 256))
    speaker.peer(7, "10.0.0.2", 65001)
    bird = Bird(net, site, "bird", "router id 10.0.0.2;\n" + bgp(channels="ipv4 { import all; export all; };"))
    speaker.wait_established(7, "10.0.0.2")
    wait_for(lambda: len(bird.routes()) == 300, what="all networks at BIRD")
    assert speaker.process.alive()
