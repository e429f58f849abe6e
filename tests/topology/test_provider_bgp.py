# SPDX-License-Identifier: Apache-2.0
"""Gateways announce their slots' floating addresses to the provider's router by BGP (bgpConfig).

   site-a, site-b --- internet --- router  BIRD 10.64.0.1, AS 64601     gw1 10.64.0.21, AS 64628
                                   no network of the GRE VIPs:  `------ gw2 10.64.0.22, AS 64628
                                   it has what BGP tells it, or nothing

The rest as in scene.py; one gateway is active, the other redundant.
"""

import re
import time

import pytest

from bgp import Bird
from fabric import GREVIP_ROUTER, HNV_ROUTER
from localapi import LocalApi
from net import wait_for
from pool import PoolLab
from traffic import flows

ROUTER_AS, GATEWAY_AS = 64601, 64628
HOLD_S = 9
FROM_ROUTER = "192.0.2.0/24"  # what the router tells the gateways


class ProviderLab(PoolLab):
    with_bgp = True

    def __init__(self):
        super().__init__(gateways=2, redundant=1)

    def _management(self):
        super()._management()
        router = self.scene.fabric.router
        router.ip("addr del %s/24 dev fabric0" % GREVIP_ROUTER)
        self.bird = Bird(self.net, router, "bird-router", """
router id %s;
protocol kernel { ipv4 { export where source = RTS_BGP; }; }
protocol static { ipv4; route %s blackhole; }
%s""" % (HNV_ROUTER, FROM_ROUTER, "".join(map(self._session, (1, 2)))))

    @staticmethod
    def _session(number):
        return """
protocol bgp gw%d { local %s as %d; neighbor %s as %d; passive; ipv4 { import all; export where source = RTS_STATIC; }; }
""" % (number, HNV_ROUTER, ROUTER_AS, own_address(number), GATEWAY_AS)

    def add_gateway(self, number, *more):
        member = super().add_gateway(number, *more)
        path = "gateways/" + member.name
        self.nc.put(path, {**self.nc.get(path)["properties"], "bgpConfig": {
            "extASNumber": "0.%d" % GATEWAY_AS, "bgpPeer": [{"peerIP": HNV_ROUTER, "peerExtAsNumber": "0.%d" % ROUTER_AS}]}})
        return member

    def announced(self):
        """{prefix: {gateway's own address: MED}} as the router has it, the best first."""
        found = {}
        for prefix, text in self.bird.routes().items():
            hops = re.findall(r"via (\S+) on", text)
            meds = re.findall(r"BGP\.med: (\d+)", text)
            if meds:
                found[prefix] = dict(zip(hops, map(int, meds), strict=True))
        return found

    def floating(self, member):
        """{prefix: MED} of what a gateway is to announce now."""
        return {a + "/32": 0xffffffff - (s["epoch"] & 0xffffffff) for s in self.slots()
                if s["gateway"] and s["gateway"].lower() == member.name.lower() for a in s["pa"] + s["greVip"]}

    def holder(self):
        return wait_for(lambda: self.holder_of(self.tenants[0], "GreGW"), 10, "a holder")


def own_address(number):
    return "10.64.0.%d" % (20 + number)


@pytest.fixture(scope="module")
def lab():
    with ProviderLab() as lab:
        yield lab


def told_by(lab, member):
    """What the router has from one gateway."""
    own = own_address(member.number)
    return {p: hops[own] for p, hops in lab.announced().items() if own in hops}


def wait_announced(lab, member):
    wait_for(lambda: lab.floating(member) and lab.floating(member).items() <= told_by(lab, member).items(), 30,
             "%s announces its slots: %s\n%s" % (member.name, lab.announced(), member.gateway.bgp.output()))


def test_floating_addresses_are_announced_with_the_epoch_as_med(lab):
    holder = lab.holder()
    wait_announced(lab, holder)
    vips = {lab.gre_vip(t) + "/32" for t in lab.tenants}
    assert vips <= set(lab.floating(holder))
    other = next(m for m in lab.members if m is not holder)
    wait_for(lambda: "Established" in lab.bird.ctl_run("show", "protocols", "gw%d" % other.number), 20, "the redundant one's session")
    assert not told_by(lab, other)
    wait_for(lambda: not lab.scene.unreachable(1), 20, "traffic takes what BGP told the router")
    with LocalApi(holder.gateway.bgp_socket) as api:
        state = wait_for(lambda: next((s for s in api.dump("bgp_peer_state") if s.received[0]), None), 10, "the router's route")
    assert state.vrf == 0 and state.accepted[0] == 0, "nothing is learnt from the provider"


def test_a_drained_gateway_withdraws_at_once(lab):
    holder = lab.holder()
    other = next(m for m in lab.members if m is not holder)
    with flows(*[p for t in lab.tenants for p in t.pairs()], rate=100) as accounts:
        lab.cli("drain", holder.name)
        wait_for(lambda: lab.holder() is other, 20, "the slots have moved")
        wait_announced(lab, other)
        wait_for(lambda: not told_by(lab, holder), HOLD_S / 3, "the old holder withdraws long before its session could time out")
        wait_for(lambda: not lab.scene.unreachable(1), 10, "traffic passes")
    lab.cli("undrain", holder.name)
    assert not any(a["foreign"] for a in accounts)


def test_a_lost_gateways_announcement_is_beaten_by_the_takers(lab, capsys):
    lab.wait_roles(1)
    holder = lab.holder()
    other = next(m for m in lab.members if m is not holder)
    wait_announced(lab, holder)
    before = told_by(lab, holder)
    with flows(*[p for t in lab.tenants for p in t.pairs()], rate=250) as accounts:
        died = time.monotonic()
        holder.power_off()
        wait_for(lambda: told_by(lab, other), 20, "the taker announces")
        both = lab.announced()
        told_s = time.monotonic() - died
        wait_for(lambda: not lab.scene.unreachable(1), 10, "traffic follows")
    gap_ms = max(a["longest_gap_ms"] for a in accounts)
    with capsys.disabled():
        print("\n  holder killed: the taker's routes at the router after %.2f s, longest gap of %d flows %.0f ms"
              % (told_s, len(accounts), gap_ms))
    assert told_s < HOLD_S, "before the dead one's session could end"
    old, new = own_address(holder.number), own_address(other.number)
    seen = [p for p, hops in both.items() if old in hops and new in hops]
    assert seen, both  # the dead one's are there still, and lose
    for prefix in seen:
        assert both[prefix][new] < both[prefix][old] == before[prefix]
        assert next(iter(both[prefix])) == new, "the best is the taker's"
    assert not any(a["foreign"] for a in accounts)
    holder.power_on()
    lab.wait_roles(1)
    wait_for(lambda: not told_by(lab, holder), 20, "who is back as redundant announces nothing")
