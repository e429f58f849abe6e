# SPDX-License-Identifier: Apache-2.0
"""Pools as the API shows them: who may use which, how much a connection takes, what may be deleted."""

import contextlib
import time

import pytest

from bodies import gateway, gre, provider, ref, tenant
from test_southbound import alive, beating, joined

GRE_VIPS, VIP = "/logicalNetworks/GreVIP/subnets/s", "203.0.113.4"


@pytest.fixture
def controller(joinable):
    provider(joinable)
    joinable.must_put("publicIPAddresses/vip", {"ipAddress": VIP, "publicIPAllocationMethod": "Static"})
    return joinable


def pool(c, name="default", kind="All", capacity=10000000, redundant=0, **isthmus):
    return c.must_put("gatewayPools/" + name, {
        "type": kind, "redundantGatewayCount": redundant, "gatewayCapacityKiloBitsPerSecond": capacity,
        "ipConfiguration": {"greVipSubnets": [ref(GRE_VIPS)], "publicIPAddresses": [ref("/publicIPAddresses/vip")]},
        **({"isthmus": isthmus} if isthmus else {})})


@contextlib.contextmanager
def fleet(c, *names):
    """Gateways that join and go on beating; gives them by name."""
    with contextlib.ExitStack() as stack:
        them = {}
        for name in names:
            gateway(c, name)
            them[name] = joined(c, name)
            stack.enter_context(beating(them[name]))
            alive(them[name], lambda n=name: c.get("gateways/" + n).properties["healthState"] == "Healthy")
        yield them


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "never came true"
        time.sleep(0.02)


def path(name):
    return "virtualGateways/Contoso/networkConnections/" + name


def ipsec(number, kbps):
    return {"connectionType": "IPSec", "destinationIPAddress": "11.1.0.%d" % number, "ipSecConfiguration": {"sharedSecret": "abc"},
            "inboundKiloBitsPerSecond": kbps, "outboundKiloBitsPerSecond": kbps, "routes": []}


def of_kbps(body, kbps):
    return {**body, "inboundKiloBitsPerSecond": kbps, "outboundKiloBitsPerSecond": kbps}


def l3(c, kbps):
    c.must_put("logicalNetworks/L3", {"subnets": [{"resourceId": "s", "properties": {"addressPrefix": "10.127.134.0/25",
                                                                                   "vlanId": "1001"}}]})
    return {"connectionType": "L3", "inboundKiloBitsPerSecond": kbps, "outboundKiloBitsPerSecond": kbps,
            "l3Configuration": {"vlanSubnet": ref("/logicalNetworks/L3/subnets/s")},
            "ipAddresses": [{"ipAddress": "10.127.134.55", "prefixLength": 25}], "peerIPAddresses": ["10.127.134.65"], "routes": []}


def state(c, of):
    shown = c.get(of).properties["configurationState"]
    info = (shown.get("detailedInfo") or [{}])[0]
    return shown["status"], info.get("code"), info.get("message")


@pytest.mark.parametrize("kinds,allowed", [
    (["S2sIpSec", "S2sGre", "Forwarding"], True), (["All"], True), (["All", "S2sGre"], False), (["Forwarding", "All"], False),
    (["S2sGre", "S2sGre"], False), (["All", "All"], False)], ids=lambda k: "-".join(k) if isinstance(k, list) else "")
def test_one_pool_of_each_type_or_one_for_all(controller, kinds, allowed):
    pool(controller)
    tenant(controller)
    for number, kind in enumerate(kinds):
        pool(controller, "p%d" % number, kind)
    body = {**controller.get("virtualGateways/Contoso").properties,
            "gatewayPools": [ref("/gatewayPools/p%d" % n) for n in range(len(kinds))]}
    answer = controller.put("virtualGateways/Contoso", {"properties": body})
    assert (answer.status == 200) == allowed, answer.raw
    if not allowed:
        assert answer.status == 400 and answer.error["target"] == "properties.gatewayPools"


def test_a_pool_serves_its_own_type_only(controller):
    pool(controller, kind="S2sGre")
    tenant(controller)
    with fleet(controller, "GW1"):
        controller.must_put(path("gre"), gre())
        controller.must_put(path("ipsec"), ipsec(1, 1000))
        assert controller.get(path("gre")).properties["gateway"]["resourceRef"] == "/Gateways/GW1"
        assert controller.get(path("ipsec")).properties["gateway"] is None
        assert state(controller, path("ipsec")) == (
            "InProgress", "HostUnreachable", "none of the virtual gateway's pools serves connections of this type")


def test_the_published_example_has_its_available_capacity(controller):
    """20 IPsec, 1 GRE and 1 L3 connection of 300 Mbit/s each way on 100 Gbit/s, by the rule of 2016."""
    pool(controller, capacity=104857600, capacityRule="2016")
    tenant(controller)
    with fleet(controller, "GW1"):
        for number in range(1, 21):
            controller.must_put(path("ipsec%d" % number), ipsec(number, 307200))
        controller.must_put(path("gre"), of_kbps(gre(), 307200))
        controller.must_put(path("l3"), l3(controller, 307200))
        shown = controller.get("gateways/GW1").properties
    assert (shown["totalCapacity"], shown["availableCapacity"]) == (104857600, 18636800)
    assert (shown["state"], shown["healthState"]) == ("Active", "Healthy")


def test_the_later_rule_and_addresses_of_the_pool(controller):
    """25 Gbit/s, 2 of IPsec: 15 are left, 9 of them for GRE."""
    pool(controller, capacity=25000000)
    tenant(controller)
    with fleet(controller, "GW1"):
        controller.must_put(path("ipsec"), ipsec(1, 1000000))
        assert controller.get("gateways/GW1").properties["availableCapacity"] == 15000000
        assert controller.get(path("ipsec")).properties["sourceIPAddress"] == VIP
        controller.must_put(path("gre"), of_kbps(gre(), 4500000))
        assert controller.get(path("gre")).properties["sourceIPAddress"].startswith("10.65.0.")
        assert controller.get("gateways/GW1").properties["availableCapacity"] == 0
        controller.must_put(path("more"), of_kbps(gre("5"), 1))
        assert state(controller, "virtualGateways/Contoso") == ("InProgress", "HostUnreachable", "Unable to allocate resources.")
        assert state(controller, path("more")) == (
            "InProgress", "HostUnreachable",
            "2 kbit/s of GRE wanted in pool default; the emptiest gateway, gw1, has 0 kbit/s left")


def test_what_is_given_up_says_so_and_what_matters_more_runs(controller):
    pool(controller, capacity=1000000)
    tenant(controller)
    with fleet(controller, "GW1"):
        with fleet(controller, "GW2"):
            controller.must_put(path("a"), {**of_kbps(gre("1"), 300000), "isthmus": {"shedPriority": 7}})
            controller.must_put(path("b"), of_kbps(gre("2"), 300000))
            holders = {controller.get(path(n)).properties["gateway"]["resourceRef"] for n in "ab"}
            assert len(holders) == 2
            lost = controller.get(path("b")).properties["gateway"]["resourceRef"].split("/")[2]
            assert lost == "GW2", "the second one goes to the second gateway"
        given_up = "given up (shedPriority 7) for others until gateways return: "
        until(lambda: (state(controller, path("a"))[2] or "").startswith(given_up))
        assert state(controller, path("a"))[0] == "InProgress"
        assert controller.get(path("b")).properties["gateway"]["resourceRef"] == "/Gateways/GW1"


def test_a_gateway_that_holds_connections_is_drained_before_it_is_deleted(controller):
    pool(controller, redundant=1)
    tenant(controller)
    with fleet(controller, "GW1", "GW2") as them:
        controller.must_put(path("gre"), gre())
        answer = controller.delete("gateways/GW1")
        assert (answer.status, answer.error["code"]) == (409, "ResourceInUse") and "drain" in answer.error["message"]
        body = controller.get("gateways/GW1").properties
        controller.must_put("gateways/GW1", {**body, "isthmus": {"drain": True}})

        def moved():
            for g in them.values():
                g.poll()
                g.report()
            return controller.get(path("gre")).properties["gateway"]["resourceRef"] == "/Gateways/GW2"
        alive(them["GW2"], moved)
        assert controller.get("gateways/GW1").properties["state"] == "Passive"
        assert controller.delete("gateways/GW1").status == 202
        assert controller.delete("gatewayPools/default").status == 409, "a gateway and a tenant are in it"
