# SPDX-License-Identifier: Apache-2.0
"""ETags: the table of preconditions, and how a change spreads over a family of resources.

   logicalNetworks/L --- subnets/A --- ipPools/P
                    `--- subnets/B --- ipPools/Q
"""

import pytest

BODY = {"properties": {"type": "usernamePassword", "userName": "u", "value": "v"}}
ABSENT, EXISTS = "absent", "exists"

# method, which, headers ({etag} is the present one), status
TABLE = [
    ("PUT", ABSENT, {}, 201), ("PUT", EXISTS, {}, 200),
    ("PUT", ABSENT, {"If-Match": ""}, 201), ("PUT", EXISTS, {"If-Match": ""}, 200),
    ("PUT", ABSENT, {"If-Match": "*"}, 412), ("PUT", EXISTS, {"If-Match": "*"}, 200),
    ("PUT", ABSENT, {"If-Match": 'W/"x"'}, 412), ("PUT", EXISTS, {"If-Match": 'W/"x"'}, 412),
    ("PUT", EXISTS, {"If-Match": "{etag}"}, 200),
    ("PUT", ABSENT, {"If-None-Match": "*"}, 201), ("PUT", EXISTS, {"If-None-Match": "*"}, 412),
    ("DELETE", ABSENT, {}, 204), ("DELETE", EXISTS, {}, 202),
    ("DELETE", ABSENT, {"If-Match": "*"}, 204), ("DELETE", EXISTS, {"If-Match": "*"}, 202),
    ("DELETE", ABSENT, {"If-Match": 'W/"x"'}, 204), ("DELETE", EXISTS, {"If-Match": 'W/"x"'}, 412),
    ("DELETE", EXISTS, {"If-Match": "{etag}"}, 202),
]


def test_the_table_of_preconditions(controller):
    for row, (method, which, headers, status) in enumerate(TABLE):
        path = "credentials/c%d" % row
        etag = controller.put(path, BODY).json["etag"] if which == EXISTS else ""
        filled = {name: value.format(etag=etag) for name, value in headers.items()}
        answer = controller.ask(method, path, BODY if method == "PUT" else None, headers=filled)
        assert answer.status == status, (method, which, headers)
        if status == 412:
            assert answer.error["code"] == "PreconditionFailed"
            after = controller.get(path)
            assert after.status == (200 if which == EXISTS else 404)
            assert which == ABSENT or after.json["etag"] == etag


@pytest.fixture
def family(controller):
    controller.must_put("logicalNetworks/L", {"subnets": [
        {"resourceId": s, "properties": {"addressPrefix": "10.%d.0.0/24" % i, "ipPools": [
            {"resourceId": p, "properties": {"startIpAddress": "10.%d.0.10" % i, "endIpAddress": "10.%d.0.20" % i}}]}}
        for i, (s, p) in enumerate((("A", "P"), ("B", "Q")), 1)]})
    controller.must_put("networkInterfaces/N", {"privateMacAddress": "001DA8000001", "ipConfigurations": [
        {"resourceId": "i", "properties": {"privateIPAddress": "10.1.0.11", "subnet": {"resourceRef": "/logicalNetworks/L/subnets/A"}}}]})
    return controller


PATHS = {"L": "logicalNetworks/L", "A": "logicalNetworks/L/subnets/A", "B": "logicalNetworks/L/subnets/B",
         "P": "logicalNetworks/L/subnets/A/ipPools/P", "Q": "logicalNetworks/L/subnets/B/ipPools/Q", "N": "networkInterfaces/N"}


def etags(c):
    return {name: c.get(path).json["etag"] for name, path in PATHS.items()}


def changed(c, act):
    before = etags(c)
    answer = act()
    assert answer.status in (200, 201, 202), answer.raw
    after = {name: c.get(path).json.get("etag") for name, path in PATHS.items()}
    return {name for name in PATHS if before[name] != after[name]}


def test_a_put_to_the_top_renews_all_below(family):
    body = family.get(PATHS["L"]).json
    body["properties"]["networkVirtualizationEnabled"] = True
    assert changed(family, lambda: family.put(PATHS["L"], body)) == {"L", "A", "B", "P", "Q"}


def test_a_put_in_the_middle_renews_above_and_below_and_no_sibling(family):
    body = family.get(PATHS["A"]).json
    body["properties"]["dnsServers"] = ["10.1.0.2"]
    assert changed(family, lambda: family.put(PATHS["A"], body)) == {"L", "A", "P"}


def test_a_put_at_the_bottom_renews_all_above(family):
    body = family.get(PATHS["P"]).json
    body["properties"]["endIpAddress"] = "10.1.0.30"
    assert changed(family, lambda: family.put(PATHS["P"], body)) == {"L", "A", "P"}


def test_a_delete_renews_all_above(family):
    before = etags(family)
    assert family.delete(PATHS["Q"]).status == 202
    assert family.get(PATHS["L"]).json["etag"] != before["L"]
    assert family.get(PATHS["B"]).json["etag"] != before["B"]
    assert family.get(PATHS["A"]).json["etag"] == before["A"]


def test_what_merely_refers_to_it_keeps_its_etag(family):
    body = family.get(PATHS["A"]).json
    body["properties"]["isPublic"] = "true"
    assert "N" not in changed(family, lambda: family.put(PATHS["A"], body))


def test_an_unchanged_put_changes_no_etag(family):
    body = family.get(PATHS["L"]).json
    assert changed(family, lambda: family.put(PATHS["L"], body)) == set()
