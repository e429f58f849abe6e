# SPDX-License-Identifier: Apache-2.0
"""isthmus export-peer: what it prints makes a real peer, for the connection it was made from.

    [gw: isthmus-ike + a stand-in forwarder] 192.0.2.1 ----- 192.0.2.2 [site: strongSwan, as exported]
"""

import json

import pytest

from ike_lab import AES_CBC, AES_GCM_16, SHA2_256_128, laboratory
from net import program, run, wait_for

PRODUCTS = ["strongswan", "libreswan", "cisco-ios", "juniper", "fortios", "vyos", "mikrotik", "windows-rras", "azure"]
SECRET = "PUT-THE-SHARED-SECRET-HERE"


def resource(cipher="GCMAES256", integrity="GCMAES256", pfs="None", group="Group14", **properties):
    return {"resourceId": "c", "properties": {
        "connectionType": "IPSec", "destinationIPAddress": "192.0.2.2", "sourceIPAddress": "192.0.2.1",
        "isthmus": {"peerIdentity": "site1"},
        "ipSecConfiguration": {
            "authenticationMethod": "PSK",
            "mainMode": {"encryptionAlgorithm": "AES256", "integrityAlgorithm": "SHA256",
                         "diffieHellmanGroup": group, "saLifeTimeSeconds": 28800},
            "quickMode": {"cipherTransformationConstant": cipher, "authenticationTransformationConstant": integrity,
                          "perfectForwardSecrecy": pfs, "saLifeTimeSeconds": 3600}},
        **properties}}


def export(tmp_path, product, body, check=True):
    path = tmp_path / "connection.json"
    path.write_text(json.dumps(body))
    return run([program("isthmus"), "export-peer", "-f", path, "--for", product], check=check)


@pytest.mark.parametrize("product", PRODUCTS)
def test_every_product_gets_all_that_it_needs(tmp_path, product):
    text = export(tmp_path, product, resource(pfs="PFS2048")).stdout
    for word in ("192.0.2.1", "192.0.2.2", SECRET, "28800" if product != "azure" else "3600"):
        assert word in text, word
    for word in ("{ike", "{esp", "{site", "{vip", "(null)"):
        assert word not in text, word


def test_what_a_product_lacks_is_said(tmp_path):
    answer = export(tmp_path, "mikrotik", resource(group="Group24"), check=False)
    assert answer.returncode == 1 and not answer.stdout
    assert "mainMode.diffieHellmanGroup Group24: mikrotik has no word for it" in answer.stderr


@pytest.mark.parametrize("suite", ["gcm", "cbc-pfs"])
def test_the_exported_strongswan_configuration_makes_the_tunnel(tmp_path, suite):
    if suite == "gcm":
        body, child = resource(), (AES_GCM_16, 256, 0, 0)
    else:
        body, child = resource("AES128", "SHA256128", "PFS2048"), (AES_CBC, 128, SHA2_256_128, 14)
    text = export(tmp_path, "strongswan", body).stdout.replace(SECRET, "verysecret")
    with laboratory() as (_, gw, site):
        gw.connect(7, "192.0.2.2", "site1", "verysecret", suites={"child_proposal": child})
        site.load(text)
        wait_for(lambda: gw.is_up(7), 10)
        site.swanctl("--rekey", "--child", "isthmus")
        wait_for(lambda: len(set(gw.told(r"sa set conn=7 spi=(\w+)"))) == 4, 10)


def compared(tmp_path, config, body=None):
    """Fields and words of `isthmus doctor --peer-config`."""
    (tmp_path / "peer.conf").write_text(config)
    (tmp_path / "connection.json").write_text(json.dumps(body or resource()))
    answer = run([program("isthmus"), "doctor", "-f", tmp_path / "connection.json", "--peer-config", tmp_path / "peer.conf", "-o", "json"])
    return [(v["field"], v["verdict"]) for v in json.loads(answer.stdout)]


@pytest.mark.parametrize("body", [resource(), resource("AES128", "SHA256128", "PFS2048"), resource("DES3", "SHA196", "ECP384", "ECP384")],
                         ids=["gcm", "cbc-pfs", "ecp"])
def test_a_configuration_that_agrees_has_nothing_wrong(tmp_path, body):
    assert compared(tmp_path, export(tmp_path, "strongswan", body).stdout, body) == []


@pytest.mark.parametrize("old,new,field,words", [
    ("-modp2048", "-ecp384", "mainMode.diffieHellmanGroup", "has ecp384; this connection demands modp2048"),
    ("aes256-sha256", "aes128-sha256", "mainMode.encryptionAlgorithm", "has aes128"),
    ("aes256-sha256", "aes256-sha1", "mainMode.integrityAlgorithm", "has sha1"),
    ("proposals = aes256-sha256-modp2048", "proposals = default", "mainMode.encryptionAlgorithm", "defaults"),
    ("id = site1", "id = site9", "isthmus.peerIdentity", "'site9' at the peer and 'site1' here"),
    ("id = 192.0.2.1", "id = gw.example", "isthmus.localIdentity", "'gw.example' at the peer and '192.0.2.1' here"),
    ("remote_addrs = 192.0.2.1", "remote_addrs = 192.0.2.9", "sourceIPAddress", "192.0.2.9"),
    ("auth = psk", "auth = pubkey", "authenticationMethod", "'pubkey' at the peer"),
    ("esp_proposals = aes256gcm16", "esp_proposals = aes128gcm16", "quickMode.cipherTransformationConstant", "has aes128gcm16"),
    ("esp_proposals = aes256gcm16", "esp_proposals = aes256gcm16-modp2048", "quickMode.perfectForwardSecrecy", "demands none"),
    ("local_ts = 0.0.0.0/0", "local_ts = 10.9.0.0/16", "remoteVpnTrafficSelector", "10.9.0.0/16"),
    ("remote_ts = 0.0.0.0/0", "remote_ts = 10.9.0.0/16", "localVpnTrafficSelector", "10.9.0.0/16"),
    ("version = 2", "version = 1", "", "IKEv1"),
], ids=lambda v: v.replace(" ", ""))
def test_what_disagrees_in_a_pasted_configuration_is_named(tmp_path, old, new, field, words):
    text = export(tmp_path, "strongswan", resource()).stdout
    assert old in text
    found = compared(tmp_path, text.replace(old, new))
    assert found and found[0][0] == field and words in found[0][1], found


@pytest.mark.parametrize("text", ["", "hello", "connections { a { version = 2", "} }", "a " * 40000, "{" * 100])
def test_what_is_no_configuration_is_said(tmp_path, text):
    (tmp_path / "peer.conf").write_text(text)
    (tmp_path / "connection.json").write_text(json.dumps(resource()))
    answer = run([program("isthmus"), "doctor", "-f", tmp_path / "connection.json", "--peer-config", tmp_path / "peer.conf"], check=False)
    assert answer.returncode == 1 and "no swanctl.conf" in answer.stderr


def test_a_proposal_among_others_will_do(tmp_path):
    text = export(tmp_path, "strongswan", resource()).stdout
    several = "proposals = 3des-sha1-modp1024, aes256-sha256-prfsha256-modp2048-ecp384"
    assert compared(tmp_path, text.replace("proposals = aes256-sha256-modp2048", several)) == []
