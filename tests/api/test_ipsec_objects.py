# SPDX-License-Identifier: Apache-2.0
"""What gateways are told of IPsec connections: policy of the pool, certificates and CAs."""

import pytest

from bodies import ref
from pki import Authority
from test_southbound import IPSEC, Diagnosis, alive, asked, with_ipsec


@pytest.fixture
def controller(joinable):
    return joinable


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


def x509(**isthmus):
    return {"type": "X509Certificate", "isthmus": isthmus}


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path, "root")


def test_a_credential_of_a_connection_reaches_its_gateway_and_follows_changes(controller, authority):
    g = with_ipsec(controller)
    key, pem = authority.issue("gw.example")
    controller.must_put("credentials/gw", x509(certificates=pem.read_text(), privateKey=key.read_text()))
    controller.must_put("credentials/ca", x509(certificates=authority.pem.read_text()))
    shown = controller.get(IPSEC).properties
    controller.must_put(IPSEC, {
        **{k: shown[k] for k in ("connectionType", "outboundKiloBitsPerSecond", "inboundKiloBitsPerSecond", "destinationIPAddress")},
        "ipSecConfiguration": {"authenticationMethod": "Certificates"},
        "isthmus": {"certificate": ref("/credentials/gw"), "peerAuthorities": [ref("/credentials/ca")]}})

    def told():
        return next(iter(g.of("credential").values()), {})
    alive(g, lambda: told().get("type") == "X509")
    assert told()["certificates"] == pem.read_text() and told()["privateKey"] == key.read_text()
    assert told()["authorities"] == [authority.pem.read_text()] and told()["revocationLists"] == []
    authority.crl(pem)
    controller.must_put("credentials/ca", x509(certificates=authority.pem.read_text(), revocationLists=authority.crl_pem.read_text()))
    alive(g, lambda: told()["revocationLists"] == [authority.crl_pem.read_text()])
    controller.must_put("credentials/gw", x509(certificates=pem.read_text()))
    assert told()["privateKey"] == key.read_text()
    assert "privateKey" not in controller.get("credentials/gw").properties["isthmus"]
    assert controller.ask("DELETE", "credentials/ca").status == 409, "it is in use"


@pytest.mark.parametrize("member,text,words", [
    ("certificates", "hello", "no PEM block"),
    ("certificates", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "block 1 cannot be read as a certificate"),
    ("certificates", "KEY", "block 1 is not a certificate"),
    ("privateKey", "CERTIFICATE", "block 1 is not a private key"),
    ("privateKey", "OTHER KEY", "is not the key of the first of 'certificates'"),
    ("revocationLists", "CERTIFICATE", "block 1 is not a certificate revocation list"),
], ids=lambda v: v[:12].strip("-"))
def test_a_bad_pem_is_refused_and_the_member_named(controller, authority, member, text, words):
    key, pem = authority.issue("gw.example")
    other, _ = authority.issue("other.example")
    text = {"KEY": key, "CERTIFICATE": pem, "OTHER KEY": other}.get(text, text)
    text = text if isinstance(text, str) else text.read_text()
    answer = controller.put("credentials/gw", {"resourceId": "gw", "properties": x509(**{"certificates": pem.read_text(), member: text})})
    assert answer.status == 400
    error = str(answer.json)
    assert "properties.isthmus." + member in error and words in error, error
    assert controller.get("credentials/gw").status == 404


def diagnosed(controller, g, first="nothing wrong here: the tunnel is up"):
    """(field, verdict) of all verdicts, the gateway's own being `first`."""
    diagnosis = Diagnosis(controller)
    (question,) = asked(g)
    verdict = {"rank": 1, "certain": True, "exchange": "", "field": "", "verdict": first}
    g.ask("POST", "answers", {"answers": [{"id": question["id"], "value": {"verdicts": [verdict], "exchanges": []}}]})
    diagnosis.join(10)
    verdicts = diagnosis.answer.json["verdicts"]
    assert [v["rank"] for v in verdicts] == list(range(1, len(verdicts) + 1))
    return [(v["field"], v["verdict"]) for v in verdicts]


def test_a_diagnosis_goes_on_to_routes_bgp_and_policing(controller):
    """Behind a tunnel that is broken, before one that is fine; of drops at the end."""
    g = with_ipsec(controller)
    alive(g, lambda: g.of("connection"))
    assert [f for f, _ in diagnosed(controller, g)] == [""]
    tenant = "virtualGateways/Contoso/"
    controller.must_put(tenant + "bgpRouters/R1", {"extAsNumber": "0.64510", "routerId": "10.0.0.1"})
    controller.must_put(tenant + "bgpRouters/R1/bgpPeers/P1", {"peerIpAddress": "20.0.0.7", "extAsNumber": "0.64511"})
    alive(g, lambda: g.of("bgpPeer"))
    (bgp, fine) = diagnosed(controller, g)
    assert bgp[0] == "bgpPeers" and "20.0.0.7" in bgp[1] and "P1" in bgp[1] and fine[1].startswith("nothing wrong")
    assert [f for f, _ in diagnosed(controller, g, "the secrets differ")] == ["", "bgpPeers"]
    (key,) = g.of("connection")
    (peer,) = g.of("bgpPeer")
    g.report(state=[{"kind": "bgpPeer", "key": peer, "value": {"state": "Connected"}},
                    {"kind": "connection", "key": key, "value": {"state": "Connected", "statistics": {
                        "txRateLimitedPacketsDropped": 9, "rxRateLimitedPacketsDropped": 0}}}])
    (fine, drops) = diagnosed(controller, g)
    assert drops[0] == "outboundKiloBitsPerSecond" and "9 packets" in drops[1] and "1000 kbit/s" in drops[1]
    shown = controller.get(IPSEC).properties
    controller.must_put(IPSEC, {
        **{k: shown[k] for k in ("connectionType", "outboundKiloBitsPerSecond", "inboundKiloBitsPerSecond", "destinationIPAddress")},
        "ipSecConfiguration": {"sharedSecret": "abc"}, "routes": []})
    assert diagnosed(controller, g)[0][0] == "routes"
