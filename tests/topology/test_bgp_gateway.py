# SPDX-License-Identifier: Apache-2.0
"""BGP through the whole product, two tenants with equal addresses: see bgp_lab.py for the picture."""

import json

import pytest

from bgp import View
from bgp_lab import PEER_GRE, PEER_VLAN, bgp_lab, wait_learnt
from localapi import constants
from net import wait_for
from traffic import flows, ping

ESTABLISHED = constants["API_BGP_ESTABLISHED"]


@pytest.fixture(scope="module")
def lab():
    with bgp_lab() as lab:
        wait_learnt(lab)
        yield lab


def router_path(t):
    return "virtualGateways/%s/bgpRouters/Router1" % t.name


def all_pairs(t):
    """Machines with both sites, and the sites with each other, both ways."""
    sites = [(s.lan_ns, s.addresses[0]) for s in (t.gre_site, t.vlan_site)]
    return t.pairs() + [(*sites[0], *sites[1]), (*sites[1], *sites[0])]


def test_sites_learn_the_network(lab):
    for t in lab.tenants:
        for site, peer in ((t.gre_site, PEER_VLAN), (t.vlan_site, PEER_GRE)):
            bird = lab.birds[t.name, site.name]
            wait_for(lambda: t.subnet in bird.routes(), 10, "the machines' subnet at " + site.name)
            assert "BGP.as_path: 64510\n" in bird.routes()[t.subnet]
        assert "BGP.as_path: 64510 64523\n" in lab.birds[t.name, t.gre_site.name].routes()[t.vlan_machine + "/32"]
        assert lab.fib(t) == {t.gre_lan: [PEER_GRE], t.vlan_machine + "/32": [PEER_VLAN]}


def test_packets_take_learnt_routes(lab):
    for t in lab.tenants:
        for from_ns, _, _, to_addr in all_pairs(t):
            assert ping(from_ns, to_addr, 3) >= 2, (t.name, from_ns.name, to_addr)
    with flows(*[p for t in lab.tenants for p in all_pairs(t)], rate=100) as accounts:
        wait_for(lambda: ping(lab.tenants[0].vms["vm1"].ns, lab.tenants[0].gre_machine, 20) == 20, 20)
    for account in accounts:
        assert account["received"] > 0 and not (account["lost"] or account["foreign"] or account["duplicates"]), account


def test_rest_shows_the_peers_connected(lab):
    for t in lab.tenants:
        for name, _, _ in lab.peers(t):
            def shown():
                properties = lab.nc.get(router_path(t) + "/bgpPeers/" + name)["properties"]
                told = properties.get("statistics", {}).get("ipv4Route", {}).get("updateReceivedCount", 0)
                return properties if properties["connectionState"] == "Connected" and told else None
            peer = wait_for(shown, 15, "%s of %s is Connected" % (name, t.name))
            assert peer["statistics"]["openMessageStats"]["receivedCount"] >= 1
            assert peer["statistics"]["keepAliveMessageStats"]["sentCount"] >= 1
            assert peer["statistics"]["tcpConnectionEstablished"].startswith("20")


def test_the_command_shows_sessions_and_counts(lab):
    t = lab.tenants[0]

    def rows():
        lines = lab.cli("get", "bgppeers").splitlines()
        assert all(len(line) <= 80 for line in lines), lines
        shown = {line.split()[0]: line.split() for line in lines[1:]}
        return shown if all("Established" in r for r in shown.values()) and shown[t.name + "/Router1/SiteGre"][-4:-1] == ["1", "1", "3"] \
            else None
    try:
        shown = wait_for(rows, 15, "sessions and their prefixes")
    except AssertionError as error:
        raise AssertionError(lab.cli("get", "bgppeers")) from error
    assert set(shown) == {"%s/Router1/%s" % (x.name, name) for x in lab.tenants for name, _, _ in lab.peers(x)}
    peer = json.loads(lab.cli("get", "bgppeers", "%s/Router1/SiteGre" % t.name, "-o", "json"))["properties"]
    assert peer["isthmus"]["session"] == "Established" and peer["isthmus"]["rejectedPrefixes"] == 0
    assert peer["statistics"]["ipv4Route"]["updateReceivedCount"] >= 1 and peer["statistics"]["lastUpdated"].startswith("20")
    before = [s.flaps for s in sessions(lab, t)]
    lab.nc.put(router_path(t) + "/bgpPeers/SiteGre", peer)  # what was shown, sent back, changes nothing
    again = lab.nc.get(router_path(t) + "/bgpPeers/SiteGre")["properties"]["isthmus"]
    assert "maxPrefixes" not in again and [s.flaps for s in sessions(lab, t)] == before


def shown_routes(lab, name, view=None):
    words = ["bgp", "routes", name, "-o", "json"] + (["--view", view] if view else [])
    return {(r["peer"], r["prefix"]): r for r in json.loads(lab.cli(*words))["value"]}


def test_the_command_shows_what_peers_told_and_are_told(lab):
    t = lab.tenants[0]
    vlan, gre = t.vlan_machine + "/32", t.gre_lan
    got = shown_routes(lab, t.name)
    assert set(got) == {("SiteGre", gre), ("SiteVlan", vlan)}
    route = got["SiteGre", gre]
    assert (route["state"], route["asPath"], route["nextHop"]) == ("Best", "64522", PEER_GRE)
    told = shown_routes(lab, t.name + "/Router1/SiteGre", "advertised")
    assert {p for _, p in told} == {t.subnet, t.gateway_subnet, vlan}
    assert told["SiteGre", vlan]["asPath"] == "64510 64523" and told["SiteGre", vlan]["state"] == "Advertised"
    assert set(shown_routes(lab, t.name + "/Router1", "best")) == set(got)
    assert not shown_routes(lab, t.name, "rejected")
    lines = lab.cli("bgp", "routes", t.name).splitlines()
    assert lines[0].split()[:2] == ["PREFIX", "PEER"] and all(len(line) <= 80 for line in lines), lines


def learnt_by_rest(lab, t, connection):
    routes = lab.nc.get("virtualGateways/%s/networkConnections/%s" % (t.name, connection))["properties"]["routes"]
    return {r["destinationPrefix"]: r["nextHop"] for r in routes if r["protocol"] == "BGP"}


def test_rest_shows_learnt_routes(lab):
    for t in lab.tenants:
        wait_for(lambda: learnt_by_rest(lab, t, "GreGW") == {t.gre_lan: PEER_GRE}, 15, "the learnt route on GreGW")
        wait_for(lambda: learnt_by_rest(lab, t, "L3GW") == {t.vlan_machine + "/32": PEER_VLAN}, 15, "and on L3GW")


def watched(lab, t, until, seconds=30):
    """What the forwarder held and the site knew meanwhile, and at the end: everything seen."""
    seen, bird = [], lab.birds[t.name, t.gre_site.name]
    wait_for(lambda: seen.append((lab.fib(t), t.subnet in bird.routes(), t.vlan_machine + "/32" in bird.routes())) or until(), seconds,
             "the sessions are back: %s" % lab.gateway.bgp.output())
    return seen


def sessions(lab, t):
    return [lab.peer_state(t, peer) for _, peer, _ in lab.peers(t)]


def test_kill_9_of_bgp_loses_no_packet(lab):
    t = lab.tenants[0]
    before = lab.fib(t)
    with flows(*[p for t in lab.tenants for p in all_pairs(t)], rate=100) as accounts:
        lab.gateway.bgp.crash()
        lab.gateway.wait_bgp()
        seen = watched(lab, t, lambda: all(s and s.state == ESTABLISHED and not s.restarting for s in sessions(lab, t)))
        birds = [lab.birds[t.name, s.name] for s in (t.gre_site, t.vlan_site)]
        seen += watched(lab, t, lambda: not any(
            "graceful restart active" in b.ctl_run("show", "protocols", "all", "isthmus") for b in birds))
    assert all(s == (before, True, True) for s in seen), [s for s in seen if s != (before, True, True)][:3]
    assert lab.fib(t) == before
    for account in accounts:
        assert account["received"] > 0 and not (account["lost"] or account["foreign"]), account


def test_kill_9_of_the_agent_changes_nothing(lab):
    t = lab.tenants[0]
    before = lab.fib(t), [s.flaps for s in sessions(lab, t)]
    lab.gateway.agent.crash()
    wait_for(lambda: "isthmus-agent: connected to bgp" in lab.gateway.agent.output().rsplit("from disk", 1)[-1], 10, "the agent is back")
    assert ping(t.vms["vm1"].ns, t.gre_machine, 3)
    assert (lab.fib(t), [s.flaps for s in sessions(lab, t)]) == before


def test_a_restarted_forwarder_gets_routes(lab):
    t = lab.tenants[0]
    before = lab.fib(t)
    lab.gateway.forwarder.crash()
    lab.gateway.wait_forwarder()
    wait_for(lambda: lab.fib(t) == before, 10, "the learnt routes in the new forwarder")
    for from_ns, _, _, to_addr in all_pairs(t):
        wait_for(lambda: ping(from_ns, to_addr), 10, "%s -> %s" % (from_ns.name, to_addr))
    wait_for(lambda: all(s.state == ESTABLISHED for s in sessions(lab, t)), 10, "the sessions live on")


def test_withdrawn_routes_leave_the_forwarder(lab):
    t, other = lab.tenants
    bird = lab.birds[t.name, t.gre_site.name]
    bird.ctl_run("disable", "lan")
    wait_for(lambda: lab.fib(t) == {t.vlan_machine + "/32": [PEER_VLAN]}, 10, "the site's route goes")
    wait_for(lambda: t.gre_lan not in lab.birds[t.name, t.vlan_site.name].routes(), 10, "and at the other site")
    assert not ping(t.vms["vm1"].ns, t.gre_machine, 2, wait_s=0.3)
    assert other.gre_lan in lab.fib(other) and ping(other.vms["vm1"].ns, other.gre_machine, 3)
    bird.ctl_run("enable", "lan")
    wait_learnt(lab)


def test_policy_map_by_rest_acts_softly(lab):
    t, other = lab.tenants
    flaps = [s.flaps for s in sessions(lab, t)]
    lab.nc.put("virtualGateways/%s/policyMaps/In" % t.name, {"policyList": [{
        "policyName": "NoVlan", "policyType": "Deny", "matchCriteria": [{"clause": "MatchPrefix", "value": [t.vlan_machine + "/32"]}]}]})
    peer = lab.nc.get(router_path(t) + "/bgpPeers/SiteVlan")["properties"]
    peer["policyMapIn"] = {"resourceRef": "/virtualGateways/%s/policyMaps/In" % t.name}
    lab.nc.put(router_path(t) + "/bgpPeers/SiteVlan", peer)
    wait_for(lambda: lab.fib(t) == {t.gre_lan: [PEER_GRE]}, 10, "what the map denies goes")
    with lab.view().api as api:
        received = View(api).routes(lab.vrf(t), "RECEIVED", PEER_VLAN)
    assert b"NoVlan" in received[t.vlan_machine + "/32"].reason
    rejected = shown_routes(lab, t.name, "rejected")
    assert set(rejected) == {("SiteVlan", t.vlan_machine + "/32")}
    route = rejected["SiteVlan", t.vlan_machine + "/32"]
    assert route["state"] == "Rejected" and "'in'" in route["reason"].lower() and "'NoVlan'" in route["reason"]
    assert not shown_routes(lab, t.name + "/Router1/SiteVlan", "best")
    assert len(lab.fib(other)) == 2
    peer["policyMapIn"] = None
    lab.nc.put(router_path(t) + "/bgpPeers/SiteVlan", peer)
    wait_learnt(lab)
    assert [s.flaps for s in sessions(lab, t)] == flaps


def test_a_deleted_peer_takes_its_routes_along(lab):
    t = lab.tenants[0]
    peer = lab.nc.get(router_path(t) + "/bgpPeers/SiteVlan")["properties"]
    lab.nc.delete(router_path(t) + "/bgpPeers/SiteVlan")
    wait_for(lambda: lab.fib(t) == {t.gre_lan: [PEER_GRE]}, 10, "its routes go")
    assert lab.peer_state(t, PEER_VLAN) is None
    lab.nc.put(router_path(t) + "/bgpPeers/SiteVlan", peer)
    wait_learnt(lab)
