# SPDX-License-Identifier: Apache-2.0
# runs alone
"""Gateways and pools come and go as planned, under traffic: not one packet is lost.

   contoso, fabrikam (scene.py): GRE and VLAN sites; gw1 and gw2 active, gw3 redundant
"""

import pytest

import wanted
from arp_asker import Asker
from net import wait_for
from pool import PoolLab, all_pairs
from traffic import flows

RATE = 250  # probes a second on each flow: 4 ms apart


@pytest.fixture(scope="module")
def lab():
    with PoolLab(3, 1) as it:
        assert wait_for(lambda: not it.scene.unreachable(), 20, "every tenant reaches its sites")
        yield it


class Watched:
    """Flows over every connection for the length of the block, of which none may lose a packet."""

    def __init__(self, lab, capsys, what):
        self.lab, self.capsys, self.what = lab, capsys, what

    def __enter__(self):
        wait_for(lambda: not self.lab.scene.unreachable(2), 20, "traffic passes before")
        self.block = flows(*all_pairs(self.lab), rate=RATE)
        self.accounts = self.block.__enter__()
        return self

    def __exit__(self, *error):
        self.block.__exit__(*error)
        if error[0]:
            return
        lost, sent = (sum(a[k] for a in self.accounts) for k in ("lost", "sent"))
        with self.capsys.disabled():
            print("\n  %s: %d of %d probes lost in %d flows, %d ms apart, longest gap %.0f ms"
                  % (self.what, lost, sent, len(self.accounts), 1000 // RATE, max(a["longest_gap_ms"] for a in self.accounts)))
        assert lost == 0, self.accounts
        assert not any(a["foreign"] for a in self.accounts)


def holding(lab):
    """The gateways that hold connections."""
    names = {s["gateway"].lower() for s in lab.slots() if s["gateway"] and s["connections"]}
    return [m for m in lab.members if m.name.lower() in names]


def test_one_gateway_at_a_time_answers_for_an_address_that_moves(lab):
    victim = holding(lab)[0]
    moving = [s for s in lab.slots() if s["connections"] and s["gateway"].lower() == victim.name.lower()]
    addresses = sorted({a for s in moving for a in s["pa"] + s["greVip"]})
    host = lab.scene.hosts["h1"]
    asker = Asker(host.ns, "ul0", host.pa, addresses)
    asker.start()
    try:
        wait_for(lambda: all(asker.answers.values()), 10, "the holder answers")
        assert "holds 0 slots" in lab.cli("drain", victim.name).splitlines()[-1]
        now = {a: len(asker.answers[a]) for a in addresses}
        wait_for(lambda: all(len(asker.answers[a]) > now[a] + 100 for a in addresses), 10, "the new holder answers")
    finally:
        asker.stop()
        lab.cli("undrain", victim.name)
    for address, answers in asker.answers.items():
        first, last = answers[0][1], answers[-1][1]
        changes = [a for a, b in zip(answers, answers[1:]) if a[1] != b[1]]
        assert first != last, address
        assert len(changes) == 1, (address, changes)  # the former holder never again


def is_quiet(member):
    """Neither holds a slot nor relays for one any more."""
    with member.gateway.api() as api:
        return not any(s.active or s.relay for s in api.dump("slot"))


def drain(lab, member):
    out = lab.cli("drain", member.name).splitlines()
    assert "holds 0 slots" in out[-1] and "Passive" in out[-1], out
    wait_for(lambda: is_quiet(member), 10, member.name + " relays no more")


def test_draining_a_gateway_loses_nothing(lab, capsys):
    with Watched(lab, capsys, "drain, undrain"):
        victim = holding(lab)[0]
        out = lab.cli("drain", victim.name)
        assert "holds 0 slots" in out.splitlines()[-1]
        assert victim not in holding(lab)
        assert "Passive" not in lab.cli("undrain", victim.name).splitlines()[-1]


def test_gateways_and_pools_come_and_go_without_loss(lab, capsys):
    with Watched(lab, capsys, "gateway added, one removed, pool added and removed"):
        lab.add_gateway(4)
        lab.wait_roles(3)
        leaving = holding(lab)[0]
        drain(lab, leaving)
        leaving.power_off()
        lab.remove_gateway(leaving)
        wait_for(lambda: all(m.state()[1] == "Healthy" for m in lab.members), 10, "the others are well")
        pool = lab.nc.get("gatewayPools/" + wanted.POOL)["properties"]
        lab.nc.put("gatewayPools/second", {"type": "S2sGre", "redundantGatewayCount": 0, "gatewayCapacityKiloBitsPerSecond": 1000000,
                                           "ipConfiguration": pool["ipConfiguration"]})
        assert lab.nc.get("gatewayPools/second")["properties"]["type"] == "S2sGre"
        lab.nc.delete("gatewayPools/second")
    assert leaving not in holding(lab)


def test_rebalancing_moves_what_it_said_and_loses_nothing(lab, capsys):
    tenants = [lab.tenants[0].name, lab.tenants[1].name]
    planned = lab.cli("rebalance", "--dry-run")
    before = lab.slots()
    assert lab.slots() == before, "a dry run moves nothing"
    with Watched(lab, capsys, "rebalance of %s" % ", ".join(tenants)):
        done = lab.cli("rebalance", wanted.POOL, "--apply").splitlines()
    moves = [line for line in planned.splitlines() if " from " in line]
    assert moves and done[-1] == "%d of %d slots moved" % (len(moves), len(moves))
    assert len(holding(lab)) > 1
    assert lab.cli("rebalance", "--dry-run").startswith("nothing to move")
