# SPDX-License-Identifier: Apache-2.0
"""One tenant on two gateways: the reflector at one, its iBGP client at the other. See bgp_pool.py."""

import pytest

import wanted
from bgp_lab import AS, PEER_GRE, PEER_VLAN
from bgp_pool import TwoPoolsLab, Watch
from net import wait_for
from traffic import flows, ping


@pytest.fixture(scope="module")
def lab():
    with TwoPoolsLab() as lab:
        lab.start_sites_and_learn()
        for t in lab.tenants:
            try:
                wait_for(lambda: lab.learnt(t), 30, "%s: learnt by both gateways" % t.name)
            except AssertionError as error:
                raise AssertionError("%s\n%s" % (error, lab.told())) from None
        yield lab


def site_pairs(t):
    sites = [(s.lan_ns, s.addresses[0]) for s in (t.gre_site, t.vlan_site)]
    return [(*sites[0], *sites[1]), (*sites[1], *sites[0])]


def test_the_first_gateway_is_reflector_and_the_other_its_client(lab):
    for t in lab.tenants:
        home, other = lab.home_and_other(t)
        assert lab.reflectors(t) == [(home, lab.router_ip(t))]
        clients = lab.established(t, home) - {PEER_GRE, PEER_VLAN}
        assert lab.established(t, home) > {PEER_GRE, PEER_VLAN} and len(clients) == 1, lab.told()
        assert lab.established(t, other) == {lab.router_ip(t)}


def test_both_gateways_hold_what_sites_announce_and_its_next_hop(lab):
    want = {lab.tenants[0].gre_lan: [PEER_GRE], lab.tenants[0].vlan_machine + "/32": [PEER_VLAN]}
    for t in lab.tenants:
        for member in lab.members:
            assert lab.fib(t, member) == want, member.name


def test_sites_have_one_neighbour_and_learn_each_other(lab):
    for t in lab.tenants:
        for site, behind in ((t.gre_site, t.vlan_machine + "/32"), (t.vlan_site, t.gre_lan)):
            bird = lab.birds[t.name, site.name]
            wait_for(lambda: {t.subnet, behind} <= set(bird.routes()), 10, "all at " + site.name)
            assert bird.ctl_run("show", "protocols").count("BGP") == 1


def test_packets_for_a_prefix_behind_the_other_gateway_take_the_overlay(lab):
    """Machines send to the home's gateway; what is behind the other goes on over the tenant's overlay."""
    for t in lab.tenants:
        for from_ns, _, _, to_addr in t.pairs() + site_pairs(t):
            assert ping(from_ns, to_addr, 3) >= 2, (t.name, from_ns.name, to_addr)
    with flows(*[p for t in lab.tenants for p in t.pairs() + site_pairs(t)], rate=100) as accounts:
        wait_for(lambda: ping(lab.tenants[0].vms["vm1"].ns, lab.tenants[0].vlan_machine, 20) == 20, 20)
    for account in accounts:
        assert account["received"] > 0 and not (account["lost"] or account["foreign"] or account["duplicates"]), account


def test_generated_routers_and_peers_are_shown(lab):
    t = lab.tenants[0]
    gateway = "virtualGateways/" + t.name
    _, other = lab.home_and_other(t)
    shown = lab.nc.get(gateway)["properties"]["bgpRouters"]
    configured, generated = sorted((r["properties"] for r in shown), key=lambda r: r["isGenerated"])
    name = next(r["resourceId"] for r in shown if r["properties"]["isGenerated"])
    assert generated["extAsNumber"] == "0.%d" % AS and generated["routerIP"] != configured["routerIP"]
    assert lab.nc.get("%s/bgpRouters/%s" % (gateway, name))["properties"]["routerIP"] == generated["routerIP"]

    def connected():
        peers = {p["resourceId"]: p["properties"] for p in lab.nc.get(gateway + "/bgpRouters/Router1/bgpPeers")["value"]}
        back = lab.nc.get("%s/bgpRouters/%s/bgpPeers/Router1" % (gateway, name))["properties"]
        return (peers, back) if {peers[name]["connectionState"], back["connectionState"]} == {"Connected"} else None
    peers, back = wait_for(connected, 15, "both ends Connected")
    assert {n for n, p in peers.items() if p["isGenerated"]} == {name}
    assert [peers[name]["peerIpAddress"]] == generated["routerIP"] and [back["peerIpAddress"]] == configured["routerIP"]
    assert back["statistics"]["openMessageStats"]["receivedCount"] >= 1
    assert lab.sessions(t, other)[back["peerIpAddress"]].flags is not None
    body = lab.nc.get(gateway)["properties"]
    lab.nc.put(gateway, body)  # what was shown comes back and makes nothing
    assert len(lab.nc.get(gateway)["properties"]["bgpRouters"]) == 2


def test_a_peer_that_no_static_route_leads_to_is_named(lab):
    t = lab.tenants[0]
    gateway, connection = "virtualGateways/" + t.name, "virtualGateways/%s/networkConnections/L3GW" % t.name
    body = lab.nc.get(connection)["properties"]
    routes = [r for r in body["routes"] if r.get("protocol") != "BGP"]
    lab.nc.put(connection, {**body, "routes": []})
    state = wait_for(lambda: next((s for s in [lab.nc.get(gateway)["properties"]["configurationState"]] if s["status"] == "Failure"), None),
                     10, "the failure shows")
    assert state["detailedInfo"] == [{
        "source": "ResourceGlobal", "code": "PolicyConfigurationFailure",
        "message": "Peers SiteVlan do not have connectivity through any networkconnection. Ensure one of the networkconnections "
                   "has static routes configured these BGP peers."}]
    lab.nc.put(connection, {**body, "routes": routes})
    wait_for(lambda: lab.nc.get(gateway)["properties"]["configurationState"]["status"] == "Success", 10, "and goes")
    wait_for(lambda: lab.learnt(t), 30, "learnt again")


# These take the second tenant's gateways apart.


def moves(lab, t, act, peer):
    """act() takes the reflector's place away: another is it, alone and under the same address."""
    home, other = lab.home_and_other(t)
    address = lab.router_ip(t)
    with Watch(lab) as watch:
        act()
        wait_for(lambda: lab.reflectors(t) == [(other, address)], 10, "the reflector is at " + other.name)
        wait_for(lambda: peer in lab.established(t, other), 30, "%s is back\n%s" % (peer, lab.told()))
    assert watch.one_reflector(t) == {address}
    assert lab.router_ip(t) == address
    return home, other


def test_the_reflectors_connection_is_deleted(lab):
    t = lab.tenants[1]
    connection = "virtualGateways/%s/networkConnections/GreGW" % t.name
    body = lab.nc.get(connection)["properties"]
    home, other = moves(lab, t, lambda: lab.nc.delete(connection), PEER_VLAN)
    wait_for(lambda: not lab.sessions(t, home), 10, "nothing speaks for it at %s" % home.name)
    lab.nc.put(connection, {**body, "routes": [{"destinationPrefix": PEER_GRE + "/32", "metric": 10}]})
    lab.learn_sites(t)
    wait_for(lambda: lab.learnt(t), 30, "both sites are learnt by both again: %s" % lab.told())
    assert lab.home_and_other(t) == (other, home)


def test_the_reflectors_pool_goes(lab):
    t = lab.tenants[1]
    gateway = "virtualGateways/" + t.name
    body = lab.nc.get(gateway)["properties"]

    def act():
        lab.nc.put(gateway, {**body, "gatewayPools": [wanted.ref("/gatewayPools/gre")],
                             "networkConnections": [c for c in body["networkConnections"] if c["resourceId"] == "GreGW"]})
    home, _ = moves(lab, t, act, PEER_GRE)
    wait_for(lambda: not lab.sessions(t, home), 10, "nothing speaks for it at %s" % home.name)


def test_the_reflectors_gateway_and_its_pool_are_deleted(lab):
    """A pool of one gateway: it dies and is removed, then its pool. What the tenant has elsewhere goes on."""
    t, address = lab.tenants[0], lab.router_ip(lab.tenants[0])
    gateway, (home, other) = "virtualGateways/" + t.name, lab.home_and_other(t)
    pool, connection, peer = ("gre", "L3GW", PEER_VLAN) if home is lab.members[0] else ("vlan", "GreGW", PEER_GRE)
    with Watch(lab) as watch:
        home.power_off()
        wait_for(lambda: home.state()[1] == "Unhealthy", 20, home.name + " is lost")
        lab.nc.delete("gateways/" + home.name)
        wait_for(lambda: lab.reflectors(t) == [(other, address)], 10, "the reflector is at " + other.name)
        wait_for(lambda: peer in lab.established(t, other), 30, "%s is back\n%s" % (peer, lab.told()))
    assert watch.one_reflector(t) == {address} and lab.router_ip(t) == address
    body = lab.nc.get(gateway)["properties"]
    assert {c["resourceId"]: bool(c["properties"].get("gateway")) for c in body["networkConnections"]}[connection]
    machine = t.vlan_machine if connection == "L3GW" else t.gre_machine
    wait_for(lambda: ping(t.vms["vm1"].ns, machine), 20, "machines reach the site that is left")
    others = [x for x in lab.tenants if x is not t]
    for x in [t, *others]:
        body = lab.nc.get("virtualGateways/" + x.name)["properties"]
        left = [c for c in body["networkConnections"] if (c["resourceId"] == connection) and x is t]
        pools = [p for p in body["gatewayPools"] if p["resourceRef"].split("/")[-1] != pool]
        if not pools:
            lab.nc.delete("virtualGateways/" + x.name)
        else:
            lab.nc.put("virtualGateways/" + x.name, {**body, "gatewayPools": pools, "networkConnections": left})
    lab.nc.delete("gatewayPools/" + pool)
    assert lab.reflectors(t) == [(other, lab.router_ip(t))]
    assert ping(t.vms["vm1"].ns, machine, 3) >= 2
