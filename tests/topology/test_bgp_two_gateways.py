# SPDX-License-Identifier: Apache-2.0
"""One tenant on two gateways: the reflector at one, its iBGP client at the other. See bgp_pool.py."""

import pytest

from bgp_lab import PEER_GRE, PEER_VLAN
from bgp_pool import TwoPoolsLab
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
