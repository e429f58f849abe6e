# SPDX-License-Identifier: Apache-2.0
"""What gateways are told of IPsec connections: policy of the pool, certificates and CAs."""

import pytest

from controller import Controller
from southbound import bootstrap
from test_southbound import IPSEC, alive, with_ipsec


@pytest.fixture
def controller(tmp_path):
    bootstrap(tmp_path)
    c = Controller(tmp_path, key="server-key.pem")
    yield c
    assert c.stop() == 0, c.log


def connection(g):
    (value,) = g.of("connection").values()
    return value


def with_pool(controller, **isthmus):
    shown = controller.get("gatewayPools/default").properties
    return controller.must_put("gatewayPools/default", {
        **{k: shown[k] for k in ("type", "redundantGatewayCount", "ipConfiguration")}, "isthmus": isthmus})


def test_weak_algorithms_are_refused_in_a_pool_that_says_so(controller):
    g = with_ipsec(controller)
    alive(g, lambda: g.of("connection"))
    assert "refuseWeak" not in connection(g)
    assert with_pool(controller, refuseWeakCiphers=True).properties["isthmus"]["refuseWeakCiphers"]
    alive(g, lambda: connection(g).get("refuseWeak") is True)
    with_pool(controller, refuseWeakCiphers=False)
    alive(g, lambda: "refuseWeak" not in connection(g))
    assert controller.get(IPSEC).properties["ipSecConfiguration"]["mainMode"]["encryptionAlgorithm"] == "DES3"
