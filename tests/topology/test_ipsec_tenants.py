# SPDX-License-Identifier: Apache-2.0
"""Tenants that are equal in everything inside, any-any selectors, one public address: see many_tenants.py.

Every tenant's packet carries its number; what arrives is compared with the VLAN it arrives on. `./test --long stories` has
1 000 tenants, `./test` 50.
"""

import pytest

from many_tenants import Lab
from net import Net, wait_for


@pytest.fixture(params=["2", "many"])
def lab(request, long_s):
    count = 2 if request.param == "2" else 1000 if long_s else 50
    with Net() as net:
        lab = Lab(net, count)
        lab.connect()
        lab.meet_routers()
        yield lab


def arrived(lab, side, text):
    return [(vlan, mark) for vlan, mark in lab.machines[side].got if mark.startswith(text)]


def test_each_tenants_traffic_reaches_its_own_side_only(lab):
    everybody = [(n, b"counted %d" % n) for n in range(1, lab.count + 1)]
    for side in (lab.gw, lab.far):
        far = lab.other(side)

        def warm(side=side, far=far):
            lab.send_all(side, b"first")
            return {vlan for vlan, _ in arrived(lab, far, b"first")} >= set(range(1, lab.count + 1))
        wait_for(warm, 60, "a packet of each tenant", step=0.3)
        lab.send_all(side, b"counted")
        wait_for(lambda far=far: len(arrived(lab, far, b"counted")) >= lab.count, 20, "what is counted arrives")
        # Once each, on its own VLAN; nothing of anybody's anywhere else, the first packets included.
        assert sorted(arrived(lab, far, b"counted")) == sorted(everybody)
        assert {(vlan, mark) for vlan, mark in arrived(lab, far, b"first")} == {
            (n, b"first %d" % n) for n in range(1, lab.count + 1)}
