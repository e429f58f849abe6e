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
