# SPDX-License-Identifier: Apache-2.0
"""The forwarder alone, told over its local API: the packet path of scene.py's two tenants."""

import pytest

import direct
from gateway import Gateway
from localapi import ApiError
from scene import Scene
from traffic import flows, ping


@pytest.fixture(scope="module")
def lab():
    with Scene() as scene:
        gateway = Gateway(scene.net, scene.gateway_ns)
        gateway.start_forwarder()
        try:
            direct.configure(scene, gateway)
        except ApiError as e:
            pytest.skip("the forwarder has no such table yet: %s" % e)
        scene.gateway = gateway
        yield scene


def test_each_tenant_reaches_its_own_sites_over_gre_and_vlan_both_ways(lab):
    assert lab.unreachable() == []
    pairs = [p for t in lab.tenants for p in t.pairs()]
    with flows(*pairs, rate=200) as accounts:
        for t in lab.tenants:
            assert ping(t.vms["vm1"].ns, t.gre_machine, 20) == 20
    for pair, account in zip(pairs, accounts):
        assert account["received"] > 50 and account["foreign"] == 0, (pair, account)
        assert (account["lost"], account["duplicates"], account["reordered"]) == (0, 0, 0), (pair, account)
