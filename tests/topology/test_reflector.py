# SPDX-License-Identifier: Apache-2.0
# runs alone
"""The gateway of a tenant's route reflector dies: another takes its slots, with the same address.

   contoso, fabrikam (bgp_lab.py): BIRD at a GRE and a VLAN site; gw1 active, gw2 redundant
"""

import time

import pytest

from bgp_lab import PEER_GRE, PEER_VLAN
from bgp_pool import ESTABLISHED, BgpPoolLab, Watch
from conftest import is_sanitized
from net import wait_for
from traffic import flows

RATE = 250  # probes a second on each flow: 4 ms apart
GAP_MAX_MS = 20000 if is_sanitized() else 5000


@pytest.fixture(scope="module")
def lab():
    with BgpPoolLab(gateways=2, redundant=1) as lab:
        lab.start_sites_and_learn()
        for t in lab.tenants:
            wait_for(lambda: any(lab.learnt(t, [m]) for m in lab.members), 30, "%s: learnt\n%s" % (t.name, lab.told()))
        yield lab


def all_pairs(t):
    sites = [(s.lan_ns, s.addresses[0]) for s in (t.gre_site, t.vlan_site)]
    return t.pairs() + [(*sites[0], *sites[1]), (*sites[1], *sites[0])]


def sessions_are_back(lab, member):
    return all(lab.sessions(t, member).get(p) and lab.sessions(t, member)[p].state == ESTABLISHED
               for t in lab.tenants for p in (PEER_GRE, PEER_VLAN))


def test_a_dead_reflector_is_replaced_under_the_same_address(lab, capsys):
    [(victim, address)] = lab.reflectors(lab.tenants[0])
    taker = next(m for m in lab.members if m is not victim)
    with Watch(lab) as watch, flows(*[p for t in lab.tenants for p in all_pairs(t)], rate=RATE) as accounts:
        wait_for(lambda: watch.rounds > 2, 10, "the watch runs")
        died = time.monotonic()
        victim.power_off()
        wait_for(lambda: sessions_are_back(lab, taker), 60, "sessions at the taker\n" + lab.told())
        back_s = time.monotonic() - died
        wait_for(lambda: all(lab.learnt(t, [taker]) for t in lab.tenants), 30, "learnt again")
        birds = lab.birds.values()
        wait_for(lambda: not any("restart active" in b.ctl_run("show", "protocols", "all", "isthmus") for b in birds), 30, "restarts end")
    gap_ms = max(a["longest_gap_ms"] for a in accounts)
    with capsys.disabled():
        print("\n  reflector's gateway killed: sessions back after %.1f s, longest gap of %d flows to learnt prefixes %.0f ms, "
              "%d looks at tables" % (back_s, len(accounts), gap_ms, watch.rounds))
    assert not watch.missing(), watch.missing()[:3]
    for t in lab.tenants:
        assert lab.router_ip(t) == address
        assert watch.one_reflector(t) == {address}
        assert lab.reflectors(t) == [(taker, address)]
    for account in accounts:
        assert not account["foreign"], account
    assert gap_ms <= GAP_MAX_MS
