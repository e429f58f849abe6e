# SPDX-License-Identifier: Apache-2.0
# runs alone
"""50 000 IKE_SA_INITs a second from random sources against the public address.

Gateways and tenants as in many_tenants.py; tests/lib/ike_flood.c sends from the far end's side of the
cable. Meanwhile tunnels that stand carry probes and rekey, and tenants that were not connected come up.
"""

import subprocess

import pytest

from conftest import is_sanitized
from many_tenants import ENABLED, INITIATE, VIP, Lab
from net import Net, program, wait_for
from test_ipsec_rekey import OUTAGE_MAX_S, Probes, burst, rekeys, uses_new_sas

RATE, SECONDS, NEW_S = 50_000, 12, 5.0
STANDING, NEW = [1, 2], list(range(3, 11))


@pytest.fixture
def lab():
    with Net() as net:
        lab = Lab(net, len(STANDING) + len(NEW))
        for side in (lab.gw, lab.far):
            side.tunnels()
        lab.gw.keying(ENABLED, child_life_kb=1000)
        lab.far.keying(ENABLED | INITIATE, STANDING, child_life_kb=1000)
        wait_for(lambda: lab.gw.up() == len(STANDING), 20, "two tunnels are up")
        lab.meet_routers()
        yield lab


def test_a_flood_harms_no_tunnel_and_a_new_one_comes_up(lab, seed):
    gateway_mac = lab.gw.ns.json("ip", "link", "show", "dev", "up0")[0]["address"]
    rate = RATE // 10 if is_sanitized() else RATE

    def warm():
        for side in (lab.gw, lab.far):
            for n in STANDING:
                lab.machines[side].send(n, b"first")
        return all({v for v, m in lab.machines[s].got if m == b"first"} == set(STANDING) for s in (lab.gw, lab.far))
    wait_for(warm, 20, "a packet of each", step=0.2)
    flood = subprocess.Popen(["ip", "netns", "exec", lab.far.ns.full, str(program("ike-flood")), "up0", gateway_mac, VIP,
                              str(rate), str(SECONDS), str(seed)], stdout=subprocess.PIPE, text=True)
    before = lab.gw.gateway.counters().get("drop.punt_rate", 0)
    wait_for(lambda: lab.gw.gateway.counters().get("drop.punt_rate", 0) > before + rate, 10, "the flood is there")
    probes = Probes(lab, STANDING)
    lab.far.keying(ENABLED | INITIATE, NEW, child_life_kb=1000)
    wait_for(lambda: lab.gw.up() == lab.count, NEW_S, "the new tunnels are up")
    burst(lab, STANDING)
    wait_for(lambda: uses_new_sas(lab.gw, STANDING) and uses_new_sas(lab.far, STANDING), 8, "the standing tunnels are rekeyed")
    assert flood.poll() is None, "all this was during the flood"
    sent = int(flood.communicate(timeout=SECONDS + 10)[0])
    probes.stop()
    assert sent >= rate * SECONDS * 0.9, "the flood was as large as it says"
    outages = probes.outages()
    assert max(outages.values()) <= OUTAGE_MAX_S, outages
    assert lab.gw.up() == lab.count
    assert all(rekeys(lab.gw)[n][0] or rekeys(lab.far)[n][0] for n in STANDING)
