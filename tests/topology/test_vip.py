# SPDX-License-Identifier: Apache-2.0
# runs alone
"""One public address, two gateways: IPsec of both, without a load balancer in front.

   ipsec-contoso  198.51.100.21 --.                    .-- gw1: the slot that answers for 203.0.113.4; contoso
                                   router -- underlay --+-- gw2: fabrikam, relayed to by gw1
   ipsec-fabrikam 198.51.100.22 --'                    '-- gw3: redundant
"""

import pytest

from conftest import is_sanitized
from net import wait_for
from traffic import flows
from vip_lab import VipLab

RATE = 250  # probes a second on each flow: 4 ms apart
GAP_MAX_MS = 20000 if is_sanitized() else 2000


@pytest.fixture(scope="module")
def lab():
    with VipLab() as it:
        for t in it.tenants:
            wait_for(lambda t=t: it.passes(t), 30, "the tunnel of " + t.name)
        yield it


def relayed(member):
    """Packets that its node for other gateways' slots has seen."""
    with member.gateway.api() as api:
        return sum(s.packets for s in api.dump("node_stats") if s.name == b"vip_relay")


def test_tunnels_of_both_active_gateways_share_one_address(lab, capsys):
    contoso, fabrikam = lab.tenants
    answering = lab.answering()
    assert lab.holder(contoso) is not lab.holder(fabrikam)
    assert answering in (lab.holder(contoso), lab.holder(fabrikam))
    before = relayed(answering)
    with flows(*lab.pairs(contoso), *lab.pairs(fabrikam), rate=RATE) as accounts:
        wait_for(lambda: relayed(answering) > before + 500, 20, "ESP is passed on")
    for account in accounts:
        assert account["received"] > 100 and not (account["lost"] or account["foreign"]), account
    with capsys.disabled():
        print("\n  %d packets passed on by %s" % (relayed(answering) - before, answering.name))
    for member in lab.members:
        assert not {k: v for k, v in member.gateway.counters().items() if k in ("drop.relay_twice", "drop.relay_stranger") and v}


@pytest.mark.parametrize("who", ["that answers for the address", "that is passed on to"])
def test_the_loss_of_the_gateway(lab, capsys, who):
    """Its own tunnels are negotiated again by the new holder, those of the others go on or return as soon."""
    answering = lab.answering()
    victim = answering if "answers" in who else next(h for t in lab.tenants for h in [lab.holder(t)] if h is not answering)
    for t in lab.tenants:
        wait_for(lambda t=t: lab.passes(t), 30, "the tunnel of " + t.name)
    with flows(*[p for t in lab.tenants for p in lab.pairs(t)], rate=RATE) as accounts:
        victim.power_off()
        wait_for(lambda: all(lab.holder(t) not in (None, victim) for t in lab.tenants), 10, "the tunnels have holders")
        for t in lab.tenants:
            wait_for(lambda t=t: lab.passes(t), 30, "the tunnel of " + t.name)
    # What is lost before the first arrival, or after the last, is no gap between two.
    gaps = [max(a["longest_gap_ms"], a["longest_loss"] * 1000 / RATE) for a in accounts]
    with capsys.disabled():
        print("\n  kill -9 of %s: longest gaps %s ms, %d probes %d ms apart" % (
            victim.name, " ".join("%.0f" % g for g in gaps), sum(a["sent"] for a in accounts), 1000 // RATE))
    assert not any(a["foreign"] for a in accounts)
    assert lab.answering() not in (None, victim)
    victim.power_on()
    lab.wait_roles(2)
    assert max(gaps) <= GAP_MAX_MS, gaps
