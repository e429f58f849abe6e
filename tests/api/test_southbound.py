# SPDX-License-Identifier: Apache-2.0
"""What a gateway is told after PUTs, and what the API shows after it reported."""

import contextlib
import threading
import time

import pytest

from bodies import gateway, gre, provider, ref, tenant
from southbound import Gateway, token


@pytest.fixture
def controller(joinable):
    return joinable


def joined(controller, name="GW1"):
    g = Gateway(controller, name)
    assert g.enrol() == 200
    g.beat()
    g.poll()
    return g


def alive(g, until, seconds=10):
    """Beats and reports until the condition holds."""
    end = time.monotonic() + seconds
    while not (found := until()):
        assert time.monotonic() < end, "never came true"
        g.beat()
        g.poll()
        g.report()
    return found


def two_connections(controller):
    controller.must_put("logicalNetworks/Contoso_L3", {"subnets": [
        {"resourceId": "s", "properties": {"addressPrefix": "10.127.134.0/25", "vlanId": "1001"}}]})
    controller.must_put("virtualGateways/Contoso/networkConnections/GreGW", gre())
    controller.must_put("virtualGateways/Contoso/networkConnections/L3GW", {
        "connectionType": "L3", "outboundKiloBitsPerSecond": 1000, "inboundKiloBitsPerSecond": 1000,
        "l3Configuration": {"vlanSubnet": ref("/logicalNetworks/Contoso_L3/subnets/s")},
        "ipAddresses": [{"ipAddress": "10.127.134.55", "prefixLength": 25}], "peerIPAddresses": ["10.127.134.65"],
        "routes": [{"destinationPrefix": "14.1.30.1/32", "metric": 10}]})


def test_a_gre_and_an_l3_connection_reach_their_gateway_and_converge(controller):
    provider(controller)
    gateway(controller)
    tenant(controller)
    g = joined(controller)
    two_connections(controller)
    g.poll()
    by_type = {c["type"]: c for c in g.of("connection").values()}
    assert by_type["GRE"]["greKey"] == 1234 and by_type["GRE"]["remote"] == "10.127.134.122"
    assert by_type["GRE"]["local"].startswith("10.65.0.")
    assert by_type["L3"]["l3Vlan"] == 1001 and by_type["L3"]["addresses"] == ["10.127.134.55/25"]
    slots = [s for s in g.of("slot").values() if s.get("pa")]
    assert len(slots) == 1 and slots[0]["active"] and slots[0]["epoch"] > 0
    own = g.of("gateway")["self"]["underlay"][0]["address"].split("/")[0]
    assert slots[0]["pa"][0] != own, "a slot must not take the gateway's own address"
    assert {r["prefix"] for b in g.of("routes").values() for r in b["routes"]} == {"14.1.20.1/32", "14.1.30.1/32"}
    path = "virtualGateways/Contoso/networkConnections/GreGW"
    assert controller.get(path).properties["provisioningState"] == "Updating"
    alive(g, lambda: controller.get(path).properties["provisioningState"] == "Succeeded")
    shown = controller.get(path).properties
    assert shown["configurationState"]["status"] == "Success"
    assert shown["gateway"]["resourceRef"] == "/Gateways/GW1"
    assert shown["sourceIPAddress"] == by_type["GRE"]["local"]
    routes = controller.get("hostRoutes").json["value"]
    assert {r["prefix"] for r in routes if r["kind"] == "hostRoute"} == {"14.1.20.1/32", "14.1.30.1/32"}


def test_an_unchanged_put_reaches_no_gateway(controller):
    provider(controller)
    gateway(controller)
    tenant(controller)
    g = joined(controller)
    two_connections(controller)
    g.poll()
    before = g.since
    two_connections(controller)
    assert g.poll()["objects"] == [] and g.since == before


def test_a_poll_waits_until_something_changes(controller):
    provider(controller)
    gateway(controller)
    g = joined(controller)
    g.poll()
    began = time.monotonic()
    assert g.poll(wait=1)["objects"] == []
    assert time.monotonic() - began >= 0.9


def test_an_error_that_a_gateway_reports_is_the_resources_failure(controller):
    provider(controller)
    gateway(controller)
    tenant(controller)
    g = joined(controller)
    two_connections(controller)
    g.beat()
    g.poll()
    key = next(k for k, c in g.of("connection").items() if c["type"] == "GRE")
    g.report(errors=[{"kind": "connection", "key": key, "code": "PolicyConfigurationFailure", "message": "no"}])
    shown = controller.get("virtualGateways/Contoso/networkConnections/GreGW").properties
    assert shown["provisioningState"] == "Failed"
    assert shown["configurationState"]["detailedInfo"][0]["code"] == "PolicyConfigurationFailure"
    g.beat()
    g.report(errors=[{"kind": "connection", "key": key}])
    assert controller.get("virtualGateways/Contoso/networkConnections/GreGW").properties["provisioningState"] == "Succeeded"


def test_a_deleted_connection_becomes_a_tombstone(controller):
    provider(controller)
    gateway(controller)
    tenant(controller)
    g = joined(controller)
    two_connections(controller)
    g.poll()
    assert controller.delete("virtualGateways/Contoso/networkConnections/GreGW").status in (200, 202, 204)
    answer = g.poll()
    assert not answer["full"]
    assert ("connection" in {o["kind"] for o in answer["objects"] if o.get("deleted")})
    assert [c["type"] for c in g.of("connection").values()] == ["L3"]


def test_a_deletion_is_polled_202_until_the_gateway_has_let_go(controller):
    provider(controller)
    gateway(controller)
    tenant(controller)
    g = joined(controller)
    two_connections(controller)
    path = "virtualGateways/Contoso/networkConnections/GreGW"
    alive(g, lambda: controller.get(path).properties["provisioningState"] == "Succeeded")
    gone = controller.delete(path)
    assert gone.status == 202 and gone.headers["Retry-After"]
    result = gone.headers["Location"].split("/networking/v1/")[1]
    assert result.startswith("operationResults/")
    status = gone.headers["Azure-AsyncOperation"].split("/networking/v1/")[1]
    g.poll()  # told, but not done
    g.beat()
    for _ in range(3):
        pending = controller.get(result)
        assert pending.status == 202 and pending.json is None and pending.headers["Retry-After"]
        assert controller.get(status).json == {"status": "InProgress"}
    g.report()
    assert alive(g, lambda: controller.get(result).status != 202)
    final = controller.get(result)
    assert final.status == 204 and final.json is None
    assert controller.get(status).json == {"status": "Succeeded"}
    assert controller.get(path).status == 404


def test_the_result_of_a_put_is_202_then_what_a_synchronous_server_would_say(controller):
    provider(controller)
    gateway(controller)
    tenant(controller)
    g = joined(controller)
    path = "virtualGateways/Contoso/networkConnections/GreGW"
    put = controller.must_put(path, gre())
    result = "operationResults/" + put.headers["x-ms-request-id"]
    assert controller.get(result).status == 202
    alive(g, lambda: controller.get(result).status != 202)
    final = controller.get(result)
    assert final.status == 200 and final.headers["ETag"]
    assert final.json == controller.get(path).json and final.properties["provisioningState"] == "Succeeded"


def test_tokens_names_and_certificates_are_checked(controller):
    provider(controller)
    gateway(controller)
    g = Gateway(controller, "GW1")
    assert g.ask("GET", "objects?since=0")[0] == 403
    secret = token(controller.folder).split(":")[0]
    assert Gateway(controller, "GW9").enrol(secret) == 404
    assert g.enrol(secret) == 200
    assert g.enrol(secret) == 403


def test_a_gateway_that_lost_all_it_had_joins_again_with_new_iv_epochs(controller):
    provider(controller)
    gateway(controller)
    g = joined(controller)
    lost = g.cert.read_text(), g.key.read_text()
    before = g.of("gateway")["self"]["ivBlock"][0], {n: s["ivEpoch"] for n, s in g.of("slot").items()}
    again = Gateway(controller, "GW1")
    assert again.enrol() == 200
    def renewed():
        again.poll()
        return again.of("gateway")["self"]["ivBlock"][0] != before[0]
    alive(again, renewed)
    assert again.of("gateway")["self"]["ivBlock"][0] >= before[0] + 256
    assert before[1] and all(s["ivEpoch"] > max(before[1].values()) for s in again.of("slot").values())
    again.cert.write_text(lost[0])
    again.key.write_text(lost[1])
    assert again.ask("GET", "objects?since=0")[0] == 403


def test_renewal_drops_nothing_and_removal_revokes_at_once(controller):
    provider(controller)
    gateway(controller)
    g = joined(controller)
    first = g.cert.read_text(), g.key.read_text()
    status, answer = g.ask("POST", "renew", {"csr": g.csr_with_new_key()})
    assert status == 200
    g.poll()
    g.take(answer)
    g.poll()
    g.cert.write_text(first[0])
    g.key.write_text(first[1])
    g.poll()
    assert controller.delete("gateways/GW1").status in (200, 202, 204)
    assert g.ask("GET", "objects?since=0")[0] == 403
    gateway(controller)  # another of that name
    assert g.ask("GET", "objects?since=0")[0] == 403


def test_ids_and_addresses_survive_a_restart(controller):
    provider(controller)
    gateway(controller)
    tenant(controller)
    g = joined(controller)
    two_connections(controller)
    g.poll()
    before, since = dict(g.objects), g.since
    controller.stop()
    controller.start()
    g.port = int(controller.wait_log(r"serving gateways on \S+ port (\d+)").group(1))
    answer = g.poll()
    assert answer["full"] and g.since > since and g.objects == before


@contextlib.contextmanager
def beating(gateway):
    """Its heartbeats go on while the block does something else, however slow the machine is."""
    end = threading.Event()

    def beat():
        while not end.is_set():
            gateway.beat()
            end.wait(0.1)
    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def test_the_redundant_gateway_takes_over_and_the_connection_names_it(controller):
    provider(controller)
    gateway(controller, "GW1")
    gateway(controller, "GW2")
    pool = controller.get("gatewayPools/default").properties
    controller.must_put("gatewayPools/default", {**pool, "redundantGatewayCount": "1"})
    tenant(controller)
    one = joined(controller, "GW1")
    with beating(one):
        two = joined(controller, "GW2")
        with beating(two):
            two_connections(controller)
            path = "virtualGateways/Contoso/networkConnections/GreGW"
            assert controller.get(path).properties["gateway"]["resourceRef"] == "/Gateways/GW1"
    two.poll()
    assert not any(s["active"] for s in two.of("slot").values())
    assert len(two.of("connection")) == 2, "the redundant gateway holds everything, inactive"
    alive(two, lambda: controller.get(path).properties["gateway"] == {"resourceRef": "/Gateways/GW2"})
    with beating(two):
        two.poll()
        assert all(s["active"] for s in two.of("slot").values())
        one.beat()
        one.poll()
        assert not any(s["active"] for s in one.of("slot").values())
        assert controller.get("gateways/GW1").properties["state"] == "Redundant"


IPSEC = "virtualGateways/Contoso/networkConnections/IPSecGW"


def with_ipsec(controller):
    provider(controller)
    gateway(controller)
    tenant(controller)
    controller.must_put("publicIPAddresses/vip", {"ipAddress": "203.0.113.4", "publicIPAllocationMethod": "Static"})
    pool = controller.get("gatewayPools/default").properties
    pool["ipConfiguration"]["publicIPAddresses"] = [ref("/publicIPAddresses/vip")]
    controller.must_put("gatewayPools/default", {k: pool[k] for k in ("type", "redundantGatewayCount", "ipConfiguration")})
    g = joined(controller)
    controller.must_put(IPSEC, {"connectionType": "IPSec", "outboundKiloBitsPerSecond": 1000, "inboundKiloBitsPerSecond": 1000,
                                "destinationIPAddress": "11.1.0.1", "ipSecConfiguration": {"sharedSecret": "abc"},
                                "routes": [{"destinationPrefix": "20.0.0.0/24", "metric": 10}]})
    alive(g, lambda: controller.get(IPSEC).properties.get("gateway"))
    return g


class Diagnosis(threading.Thread):
    def __init__(self, controller):
        super().__init__(daemon=True)
        self.controller, self.answer = controller, None
        self.start()

    def run(self):
        self.answer = self.controller.ask("POST", IPSEC + "/diagnose", {})


def asked(g):
    """The questions that a heartbeat's answer brings, waited for."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        _, answer = g._beat()  # each answer: beat() shows but the second of two
        if answer.get("ask"):
            return answer["ask"]
    raise AssertionError("no question came")


def test_a_diagnosis_is_the_gateways_answer(controller):
    g = with_ipsec(controller)
    gateway(controller, "GW2")
    other = Gateway(controller, "GW2")
    assert other.enrol() == 200
    alive(g, lambda: controller.get(IPSEC).properties.get("gateway") and g.of("connection"))
    diagnosis = Diagnosis(controller)
    (question,) = asked(g)
    (key,) = g.of("connection")
    assert question["ask"] == "diagnose" and question["key"] == key
    verdict = {"rank": 1, "certain": True, "exchange": "IKE_AUTH", "field": "sharedSecret", "verdict": "the secrets differ"}
    g.ask("POST", "answers", {"answers": [{"id": question["id"] + 7, "value": {}}]})  # to nobody's question
    other.ask("POST", "answers", {"answers": [{"id": question["id"], "value": {}}]})  # to another's
    value = {"verdicts": [verdict], "exchanges": [{"exchange": "IKE_AUTH"}]}
    g.ask("POST", "answers", {"answers": [{"id": question["id"], "value": value}]})
    diagnosis.join(10)
    assert diagnosis.answer.status == 200
    assert diagnosis.answer.json == value


def test_a_gateway_that_is_asked_in_vain_is_named(controller):
    g = with_ipsec(controller)
    diagnosis = Diagnosis(controller)
    assert asked(g)
    assert asked(g)  # without an answer, again
    end = time.monotonic() + 15
    while diagnosis.is_alive() and time.monotonic() < end:
        g.beat()
        time.sleep(0.05)
    assert "cannot be asked: the gateway does not answer" in diagnosis.answer.json["verdicts"][0]["verdict"].lower()


def test_only_connections_can_be_diagnosed(controller):
    provider(controller)
    gateway(controller)
    tenant(controller)
    joined(controller)
    two_connections(controller)
    assert controller.ask("POST", "virtualGateways/Contoso/diagnose", {}).status == 405
    assert controller.ask("POST", "virtualGateways/Contoso/networkConnections/None/diagnose", {}).status == 404
    gre_answer = controller.ask("POST", "virtualGateways/Contoso/networkConnections/GreGW/diagnose", {})
    assert "only IPSec" in gre_answer.json["verdicts"][-1]["verdict"]
    assert controller.ask("POST", "virtualGateways/Contoso/networkConnections/GreGW", {}).status == 405


PEER = "virtualGateways/Contoso/bgpRouters/R1/bgpPeers/P1"


class Asking(threading.Thread):
    def __init__(self, controller, path):
        super().__init__(daemon=True)
        self.controller, self.path, self.answer = controller, path, None
        self.start()

    def run(self):
        self.answer = self.controller.ask("GET", self.path)


def with_peer(controller):
    provider(controller)
    gateway(controller)
    tenant(controller)
    g = joined(controller)
    two_connections(controller)
    controller.must_put("virtualGateways/Contoso/bgpRouters/R1", {"extAsNumber": "0.64510", "routerIP": []})
    controller.must_put(PEER, {"peerIpAddress": "14.1.20.1", "extAsNumber": "0.64522"})
    alive(g, lambda: g.of("bgpPeer"))
    return g


def test_routes_of_a_peer_are_the_gateways_answer(controller):
    g = with_peer(controller)
    (key,) = g.of("bgpPeer")
    route = {"prefix": "10.1.0.0/24", "state": "Rejected", "reason": "policy map 'In' entry 'NoVlan'"}
    asking = Asking(controller, PEER + "/bgpRoutes?view=rejected")
    (question,) = asked(g)
    assert (question["ask"], question["key"]) == ("bgpRoutes", "rejected " + key)
    g.ask("POST", "answers", {"answers": [{"id": question["id"], "value": {"routes": [route], "total": 1}}]})
    asking.join(10)
    assert asking.answer.status == 200
    assert asking.answer.json["value"] == [route] and asking.answer.json["total"] == 1
    asking = Asking(controller, PEER + "/bgpRoutes")
    (question,) = asked(g)
    assert question["key"] == "received " + key
    g.ask("POST", "answers", {"answers": [{"id": question["id"], "error": "isthmus-bgp does not run on this gateway"}]})
    asking.join(10)
    assert asking.answer.status == 503 and "isthmus-bgp does not run" in asking.answer.json["error"]["message"]


def test_routes_of_what_is_no_peer_are_refused(controller):
    with_peer(controller)
    assert controller.ask("GET", PEER + "/bgpRoutes?view=teapot").status == 400
    assert controller.ask("GET", "virtualGateways/Contoso/bgpRouters/R1/bgpPeers/None/bgpRoutes").status == 404
    assert controller.ask("GET", "virtualGateways/Contoso/bgpRouters/R1/bgpRoutes").status == 405


def test_what_a_gateway_reports_of_a_peer_is_shown_and_may_come_back(controller):
    g = with_peer(controller)
    (key,) = g.of("bgpPeer")
    assert controller.get(PEER).properties["connectionState"] == "Disconnected"
    statistics = {"ipv4Route": {"updateReceivedCount": 3}, "lastUpdated": "2026-01-01T00:00:00.000Z"}
    g.report(state=[{"kind": "bgpPeer", "key": key, "value": {
        "state": "Connected", "statistics": statistics, "isthmus": {"session": "Established", "receivedPrefixes": 3}}}])
    shown = controller.get(PEER).properties
    assert shown["connectionState"] == "Connected" and shown["statistics"] == statistics
    assert shown["isthmus"] == {"session": "Established", "receivedPrefixes": 3}
    before = g.of("bgpPeer")
    controller.must_put(PEER, shown)
    g.poll()
    assert g.of("bgpPeer") == before  # what was shown makes no extension when it is sent back
    controller.must_put(PEER, {**shown, "isthmus": {**shown["isthmus"], "holdTimeS": 30}})
    g.poll()
    (told,) = g.of("bgpPeer").values()
    assert told["options"]["holdTimeS"] == 30 and "session" not in told["options"]


def learnt_rows(controller):
    return {r["prefix"]: r for r in controller.get("hostRoutes").json["value"]
            if r["kind"] == "hostRoute" and r["protocol"] == "BGP"}


def page(*prefixes, via="14.1.20.1"):
    return {"learnt": [{"prefix": p, "via": via} for p in prefixes]}


def gre_block(g):
    """Key of the GRE connection's learnt routes, and the tenant's slot."""
    connection = next(c for c in g.of("connection").values() if c["type"] == "GRE")
    return "%d/%d" % (connection["vrf"], connection["connection"]), connection["slot"]


def test_hosts_are_told_what_bgp_has_learnt(controller):
    g = with_peer(controller)
    key, slot = gre_block(g)
    before = controller.get("hostRoutes").json["revision"]
    g.report(state=[{"kind": "routes", "key": key, "value": page("10.1.0.0/24", "14.1.20.1/32")}])
    rows = learnt_rows(controller)
    assert set(rows) == {"10.1.0.0/24"}  # of the other there is a static route
    static = next(r for r in controller.get("hostRoutes").json["value"] if r.get("prefix") == "14.1.20.1/32")
    assert static["protocol"] == "Static" and static["slot"] == slot
    assert all(rows["10.1.0.0/24"][m] == static[m] for m in ("vrf", "via", "slot", "mac", "pa"))
    answer = controller.get("hostRoutes?since=%d&wait=5" % before).json
    assert answer["revision"] > before  # who waits for a change is told of this one
    waiting = Asking(controller, "hostRoutes?since=%d&wait=20" % answer["revision"])
    g.report(state=[{"kind": "routes", "key": key + "/1", "value": page("10.2.0.0/24")}])
    waiting.join(10)
    assert "10.2.0.0/24" in {r.get("prefix") for r in waiting.answer.json["value"]}
    shown = controller.get("virtualGateways/Contoso/networkConnections/GreGW").properties["routes"]
    assert {(r["destinationPrefix"], r["protocol"]) for r in shown} == {
        ("14.1.20.1/32", "Static"), ("14.1.20.1/32", "BGP"), ("10.1.0.0/24", "BGP"), ("10.2.0.0/24", "BGP")}
    g.report(gone=[{"kind": "routes", "key": key}])
    assert set(learnt_rows(controller)) == {"10.2.0.0/24"}
    g.report(gone=[{"kind": "routes", "key": key + "/1"}])
    assert not learnt_rows(controller)


def test_what_was_learnt_stands_until_a_new_agent_has_reported(controller):
    g = with_peer(controller)
    key, _ = gre_block(g)
    g.report(state=[{"kind": "routes", "key": key, "value": page("10.1.0.0/24")},
                    {"kind": "routes", "key": key + "/1", "value": page("10.2.0.0/24")}])
    g.report(instance="another life")
    assert set(learnt_rows(controller)) == {"10.1.0.0/24", "10.2.0.0/24"}
    g.report(instance="another life", state=[{"kind": "routes", "key": key, "value": page("10.3.0.0/24")}])
    assert set(learnt_rows(controller)) == {"10.3.0.0/24"}  # and what it does not say again is gone


def test_only_the_reflectors_gateway_says_what_is_learnt(controller):
    g = with_peer(controller)
    key, _ = gre_block(g)
    g.report(state=[{"kind": "routes", "key": key, "value": page("10.1.0.0/24")}])
    gateway(controller, "GW2")
    other = Gateway(controller, "GW2")
    assert other.enrol() == 200
    other.beat()
    other.poll()
    other.report(state=[{"kind": "routes", "key": key, "value": page("10.66.0.0/24")}])
    other.report(gone=[{"kind": "routes", "key": key}])
    assert set(learnt_rows(controller)) == {"10.1.0.0/24"}
