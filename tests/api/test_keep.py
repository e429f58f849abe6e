# SPDX-License-Identifier: Apache-2.0
"""What a client does not know of or cannot read back outlives its GET, change and PUT; null clears it."""

import json

from bodies import gateway, gre, provider, ref, tenant

IPSEC = "virtualGateways/Contoso/networkConnections/I"


def world(c):
    provider(c)
    gateway(c)
    tenant(c)


def stored_secret_count(c):
    """Sealed secrets in the store: their texts are not readable, that they exist is."""
    import sqlite3
    with sqlite3.connect("file:%s?mode=ro" % (c.folder / "store.db"), uri=True) as db:
        row = db.execute("SELECT value FROM kv WHERE key = ?", ("k\x1f/virtualgateways/contoso/networkconnections/i",)).fetchone()
    return row[0].count("sealed:1:")


def test_a_secret_outlives_get_change_and_put_and_null_clears_it(controller):
    c = controller
    world(c)
    c.must_put(IPSEC, {"connectionType": "IPSec", "destinationIPAddress": "11.1.0.1", "ipSecConfiguration": {"sharedSecret": "abc"}})
    body = c.get(IPSEC).json
    body["properties"]["inboundKiloBitsPerSecond"] = 77
    assert c.put(IPSEC, body).status == 200 and stored_secret_count(c) == 1
    vgw = c.get("virtualGateways/Contoso").json
    assert c.put("virtualGateways/Contoso", vgw).status == 200 and stored_secret_count(c) == 1
    del body["properties"]["ipSecConfiguration"]
    assert c.put(IPSEC, body).status == 200 and stored_secret_count(c) == 1
    body["properties"]["ipSecConfiguration"] = {"sharedSecret": None}
    assert c.put(IPSEC, body).status == 200 and stored_secret_count(c) == 0


def test_extensions_outlive_a_client_that_does_not_know_them(controller):
    c = controller
    world(c)
    path = "virtualGateways/Contoso/networkConnections/G"
    c.must_put(path, {**gre(), "isthmus": {"weight": 5, "greKeepalive": {"intervalMs": 1000, "retries": 2}}})
    plain = {k: v for k, v in c.get(path).properties.items() if k != "isthmus"}
    assert c.must_put(path, plain).properties["isthmus"]["weight"] == 5
    partly = c.must_put(path, {**plain, "isthmus": {"mtu": 1400, "greKeepalive": {"retries": 9}}}).properties["isthmus"]
    assert (partly["weight"], partly["mtu"]) == (5, 1400) and partly["greKeepalive"] == {"intervalMs": 1000, "retries": 9}
    cleared = c.must_put(path, {**plain, "isthmus": {"greKeepalive": None}}).properties["isthmus"]
    assert "greKeepalive" not in cleared and cleared["weight"] == 5
    assert "isthmus" not in c.must_put(path, {**plain, "isthmus": None}).properties


def test_a_machine_moves_host_by_one_member_and_the_published_one_follows(controller):
    c = controller
    provider(c)
    for i, name in enumerate(("h1", "h2"), 11):
        c.must_put("servers/" + name, {"connections": [], "isthmus": {"providerAddresses": ["10.64.0.%d" % i]}})
    c.must_put("networkInterfaces/vm", {"privateMacAddress": "001DA8000001", "isthmus": {"server": ref("/servers/h1")}})
    body = c.get("networkInterfaces/vm").json
    assert body["properties"]["server"] == ref("/servers/h1")
    body["properties"]["isthmus"]["server"] = ref("/servers/h2")
    assert c.put("networkInterfaces/vm", body).properties["server"] == ref("/servers/h2")
    assert c.delete("servers/h2").error["code"] == "InUseServerCannotBeDeleted"
    assert c.delete("servers/h1").status == 202


def test_a_given_address_and_mac_outlive_a_put_without_them(controller):
    c = controller
    provider(c)
    subnet = ref("/logicalNetworks/HNVPA/subnets/s")
    body = {"ipConfigurations": [{"resourceId": "f", "properties": {"subnet": subnet, "privateIPAllocationMethod": "Dynamic"}}],
            "privateMacAllocationMethod": "Dynamic"}
    first = c.must_put("networkInterfaces/n", body).properties
    again = c.must_put("networkInterfaces/n", body).properties
    assert json.dumps(first, sort_keys=True) == json.dumps(again, sort_keys=True)
