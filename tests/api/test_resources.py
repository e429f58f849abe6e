# SPDX-License-Identifier: Apache-2.0
"""Resources: stored, listed, shown, kept over a restart, deleted; what refers to what.

   test --HTTPS--> isthmus-controller (loopback, its own store)
"""

import os
import signal
import stat

from bodies import gateway, gre, provider, ref, tenant


def test_put_get_list_and_delete_a_chain_of_resources(controller):
    c = controller
    provider(c)
    gateway(c)
    tenant(c)
    path = "virtualGateways/Contoso/networkConnections/GreGW"
    created = c.must_put(path, gre())
    assert created.status == 201
    shown = c.get(path)
    assert shown.status == 200
    assert shown.json["resourceRef"] == "/VirtualGateways/Contoso/NetworkConnections/GreGW"
    assert shown.json["etag"] == shown.headers["ETag"]
    assert shown.properties["greConfiguration"] == {"greKey": "1234"}
    assert shown.properties["routes"] == [
        {"destinationPrefix": "14.1.20.1/32", "nextHop": "0.0.0.0", "metric": 10, "protocol": "Static"}]
    listed = c.get("virtualGateways/Contoso/networkConnections/")
    assert [r["resourceId"] for r in listed.json["value"]] == ["GreGW"] and listed.json["nextLink"] == ""
    assert c.get("virtualGateways/Contoso").properties["networkConnections"][0]["resourceId"] == "GreGW"
    gone = c.delete(path)
    assert gone.status == 202 and gone.headers["Location"] and gone.headers["Retry-After"]
    assert c.get(path).status == 404
    assert c.delete(path).status == 204
    assert c.get("virtualGateways/Contoso/networkConnections").json["value"] == []


def test_back_references_and_usage(controller):
    c = controller
    provider(c)
    gateway(c)
    tenant(c)
    pool = c.get("gatewayPools/default").properties
    assert pool["gateways"] == [ref("/Gateways/GW1")] and pool["virtualGateways"] == [ref("/VirtualGateways/Contoso")]
    usage = c.get("logicalNetworks/HNVPA/subnets/s/ipPools/p").properties["usage"]
    assert usage == {"numberOfIPAddresses": 100, "numberofIPAddressesAllocated": 1, "numberOfIPAddressesInTransition": 0}
    assert c.get("macPools/m").properties["usage"] == {"numberOfMacAddresses": 1024, "numberofMacAddressesAllocated": 2}
    nic = c.get("networkInterfaces/GW1_front").properties
    assert nic["ipConfigurations"][0]["properties"]["privateIPAddress"] == "10.64.0.100"
    assert nic["privateMacAddress"].startswith("001DA8B71C")


def test_a_freed_address_is_held_off(controller):
    c = controller
    provider(c)
    c.must_put("networkInterfaces/a", {"ipConfigurations": [
        {"resourceId": "f", "properties": {"subnet": ref("/logicalNetworks/HNVPA/subnets/s")}}]})
    assert c.delete("networkInterfaces/a").status == 202
    usage = c.get("logicalNetworks/HNVPA/subnets/s/ipPools/p").properties["usage"]
    assert usage["numberofIPAddressesAllocated"] == 0 and usage["numberOfIPAddressesInTransition"] == 1
    c.must_put("networkInterfaces/b", {"ipConfigurations": [
        {"resourceId": "f", "properties": {"subnet": ref("/logicalNetworks/HNVPA/subnets/s")}}]})
    assert c.get("networkInterfaces/b/ipConfigurations/f").properties["privateIPAddress"] == "10.64.0.101"


def test_what_was_answered_survives_kill_9(controller):
    c = controller
    provider(c)
    gateway(c)
    tenant(c)
    c.must_put("virtualGateways/Contoso/networkConnections/GreGW", gre())
    before = c.get("virtualGateways/Contoso").json
    c.stop(signal.SIGKILL)
    c.start()
    assert c.get("virtualGateways/Contoso").json == before


def test_operations_survive_kill_9_and_can_still_be_polled(controller):
    c = controller
    provider(c)
    gateway(c)
    tenant(c)
    put = c.must_put("virtualGateways/Contoso/networkConnections/GreGW", gre())
    gone = c.delete("virtualGateways/Contoso/networkConnections/GreGW")
    polled = ["operations/" + put.headers["x-ms-request-id"], "operations/" + gone.headers["x-ms-request-id"]]
    before = [c.get(p).json["status"] for p in polled]
    c.stop(signal.SIGKILL)
    c.start()
    assert [c.get(p).json["status"] for p in polled] == before
    assert c.get("operationResults/" + gone.headers["x-ms-request-id"]).status == 204
    again = c.must_put("credentials/after", {"type": "usernamePassword", "userName": "u", "value": "v"})
    assert c.get("operations/" + again.headers["x-ms-request-id"]).json == {"status": "Succeeded"}
    c.stop(signal.SIGKILL)
    c.start()
    for p in [*polled, "operations/" + again.headers["x-ms-request-id"]]:
        assert c.get(p).status == 200, p


def test_secrets_are_sealed_in_the_store_and_absent_from_answers_and_log(controller):
    c = controller
    c.must_put("credentials/user", {"type": "usernamePassword", "userName": "u", "value": "Swordfish99"})
    c.must_put("credentials/cert", {"type": "X509Certificate", "value": "AB12CD"})
    assert "value" not in c.get("credentials/user").properties
    assert c.get("credentials/cert").properties["value"] == "AB12CD"
    for name in os.listdir(c.folder):
        data = (c.folder / name).read_bytes()
        assert b"Swordfish99" not in data, name
        if name.startswith("store"):
            assert stat.S_IMODE(os.stat(c.folder / name).st_mode) == 0o600, name
    assert "Swordfish99" not in c.read_log(0.1)


def test_children_given_replace_the_list_and_absent_ones_stay(controller):
    c = controller
    provider(c)
    gateway(c)
    tenant(c)
    for name in ("a", "b"):
        c.must_put("virtualGateways/Contoso/networkConnections/" + name, gre(key=str(ord(name))))
    vgw = c.get("virtualGateways/Contoso").json
    del vgw["properties"]["networkConnections"]
    assert c.put("virtualGateways/Contoso", vgw).status == 200
    assert len(c.get("virtualGateways/Contoso/networkConnections").json["value"]) == 2
    vgw["properties"]["networkConnections"] = [{"resourceId": "b", "properties": gre(key="98")}]
    assert c.put("virtualGateways/Contoso", vgw).status == 200
    assert [r["resourceId"] for r in c.get("virtualGateways/Contoso/networkConnections").json["value"]] == ["b"]


def test_discovery_operations_instances_and_statistics(controller):
    c = controller
    provider(c)
    found = c.get("/networking/discovery").json
    assert found["properties"]["currentRestVersion"] == "V7.1" and "V1" in found["properties"]["supportedRestVersions"]
    gone = c.delete("macPools/m")
    assert gone.status == 202 and int(gone.headers["Retry-After"]) >= 15
    operation = gone.headers["Azure-AsyncOperation"].split("/networking", 1)[1]
    assert c.get("/networking" + operation).json == {"status": "Succeeded"}
    assert c.get("/networking" + gone.headers["Location"].split("/networking", 1)[1]).status == 204
    assert c.get("operations/nothing").status == 404
    network = c.get("logicalNetworks/GreVIP").json
    instance = c.get("internalResourceInstances/" + network["instanceId"]).json
    assert instance["properties"]["resourceReference"] == "/logicalNetworks/GreVIP"
    statistics = c.get("monitoring/networkControllerStatistics").json["properties"]
    assert {r["resourceType"]: r["totalResourceCount"] for r in statistics["usageStatistics"]}["BackendIPUtilization"] == 353
