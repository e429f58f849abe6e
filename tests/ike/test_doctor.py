# SPDX-License-Identifier: Apache-2.0
"""The doctor against real disagreements: isthmus-ike and strongSwan differ in one thing at a time.

    [gw: isthmus-ike + a stand-in forwarder] 192.0.2.1 ----- 192.0.2.2, .3 [site: strongSwan]

Both sides agree on BASE; each row changes one side, and says who begins and what the doctor must
find: its first verdict's code and member of the API, and words of it.
"""

import dataclasses
import re

import pytest

import localapi
from ike_lab import AES_CBC, AES_GCM_16, ENABLED, INITIATE, SHA2_256_128, address, laboratory
from localapi import constants
from net import wait_for
from pki import Authority, certificate_der, key_der
from strongswan import connection

CONN = 7
SHA1_96, SHA2_384_192, TRIPLE_DES = 2, 13, 3
SITE = dict(local="192.0.2.2", remote="192.0.2.1", local_id="site1", remote_id="192.0.2.1", secret="verysecret")


@dataclasses.dataclass
class Row:
    name: str
    code: str                                        # API_IKE_VERDICT_...
    field: str = ""
    words: tuple = ()
    ours: dict = dataclasses.field(default_factory=dict)   # members of api_ike_conn, or of connect()
    theirs: dict = dataclasses.field(default_factory=dict)  # of strongswan.connection()
    we_begin: bool = False
    block: int = 0                                   # a UDP port the site's firewall drops
    rekey: bool = False                              # it comes up; the child SA is then rekeyed


def _ike(encr=AES_CBC, bits=256, integ=SHA2_256_128, dh=14):
    return {"proposal": (encr, bits, integ, dh)}


def _esp(encr=AES_GCM_16, bits=256, integ=0, dh=0):
    return {"child_proposal": (encr, bits, integ, dh)}


def _net(text):
    base, last = text + ".0", text + ".255"
    ts = localapi.structs["api_ike_selector"](port_end=65535)
    ts.start, ts.end = address(base), address(last)
    return ts


MAIN, QUICK = "mainMode.", "quickMode."
GROUP, CIPHER, INTEGRITY = MAIN + "diffieHellmanGroup", MAIN + "encryptionAlgorithm", MAIN + "integrityAlgorithm"
ESP_CIPHER = QUICK + "cipherTransformationConstant"
ESP_INTEGRITY = QUICK + "authenticationTransformationConstant"

BROKEN = [
    # The peer begins: it says what it wants, so ours stands against theirs.
    Row("their group", "IKE_PROPOSAL", GROUP, ("Group2", "demands Group14"), theirs=dict(ike="aes256-sha256-modp1024")),
    Row("our group", "IKE_PROPOSAL", GROUP, ("only Group14", "demands ECP384", "set mainMode"), ours=_ike(dh=20)),
    Row("our ECP256", "IKE_PROPOSAL", GROUP, ("demands ECP256",), ours=_ike(dh=19)),
    Row("their cipher", "IKE_PROPOSAL", CIPHER, ("only AES128", "demands AES256"),
        theirs=dict(ike="aes128-sha256-modp2048")),
    Row("our cipher", "IKE_PROPOSAL", CIPHER, ("demands DES3",), ours=_ike(encr=TRIPLE_DES, bits=0)),
    Row("our key size", "IKE_PROPOSAL", CIPHER, ("demands AES192",), ours=_ike(bits=192)),
    Row("their integrity", "IKE_PROPOSAL", INTEGRITY, ("SHA1", "demands SHA256"),
        theirs=dict(ike="aes256-sha1-modp2048")),
    Row("our integrity", "IKE_PROPOSAL", INTEGRITY, ("demands SHA384",), ours=_ike(integ=SHA2_384_192)),
    Row("their PRF", "IKE_PROPOSAL", INTEGRITY, ("PRF SHA384", "demands SHA256"),
        theirs=dict(ike="aes256-sha256-prfsha384-modp2048")),
    Row("cipher of two proposals", "IKE_PROPOSAL", CIPHER, ("demands AES256",),
        theirs=dict(ike="3des-sha1-modp1024,aes128-sha256-modp2048")),
    Row("their identity", "PEER_IDENTITY", "isthmus.peerIdentity", ("'site9'", "expects 'site1'"),
        theirs=dict(local_id="site9")),
    Row("our idea of them", "PEER_IDENTITY", "isthmus.peerIdentity", ("'site1'", "expects 'site9'"),
        ours=dict(peer_id="site9")),
    Row("their idea of us", "OUR_IDENTITY", "isthmus.localIdentity", ("'gw.example'", "is '192.0.2.1'"),
        theirs=dict(remote_id="gw.example")),
    Row("our identity", "OUR_IDENTITY", "isthmus.localIdentity", ("'192.0.2.1'", "is 'gw.example'"),
        ours=dict(local_id=b"gw.example")),
    Row("their secret", "KEY", "sharedSecret", ("secrets differ",), theirs=dict(secret="guess")),
    Row("our secret", "KEY", "sharedSecret", ("secrets differ",), ours=dict(secret="other")),
    Row("our method", "AUTH_METHOD", "authenticationMethod", ("by PSK", "demands Certificates"),
        ours=dict(auth=2, with_certificate=True)),
    Row("their ESP cipher", "ESP_PROPOSAL", ESP_CIPHER, ("only GCMAES128", "demands GCMAES256"),
        theirs=dict(esp="aes128gcm16")),
    Row("our ESP cipher", "ESP_PROPOSAL", ESP_CIPHER, ("only GCMAES256", "demands AES128"),
        ours=_esp(AES_CBC, 128, SHA1_96)),
    Row("their ESP integrity", "ESP_PROPOSAL", ESP_INTEGRITY, ("only SHA196", "demands SHA256128"),
        ours=_esp(AES_CBC, 256, SHA2_256_128), theirs=dict(esp="aes256-sha1")),
    Row("our ESP integrity", "ESP_PROPOSAL", ESP_INTEGRITY, ("only SHA256128", "demands SHA196"),
        ours=_esp(AES_CBC, 256, SHA1_96), theirs=dict(esp="aes256-sha256")),
    Row("their selectors", "SELECTORS", "remoteVpnTrafficSelector", ("10.9.0.0", "allows 10.1.0.0"),
        ours=dict(remote_ts=_net("10.1.0")), theirs=dict(local_ts="10.9.0.0/24")),
    Row("our selectors", "SELECTORS", "localVpnTrafficSelector", ("10.8.0.0", "allows 10.2.0.0"),
        ours=dict(local_ts=_net("10.2.0")), theirs=dict(remote_ts="10.8.0.0/24")),
    Row("IPv6 selectors", "SELECTORS", "remoteVpnTrafficSelector", ("allows 10.1.0.0",),
        ours=dict(remote_ts=_net("10.1.0")), theirs=dict(local_ts="2001:db8:9::/64")),
    Row("their PFS", "ESP_PROPOSAL", QUICK + "perfectForwardSecrecy", ("only PFS2048", "demands None"),
        theirs=dict(esp="aes256gcm16-modp2048"), rekey=True),
    Row("our PFS", "ESP_PROPOSAL", QUICK + "perfectForwardSecrecy", ("only None", "demands ECP384"),
        ours=_esp(dh=20), rekey=True),
    Row("peer stops half way", "HALF_OPEN", "", ("UDP 4500",), block=4500),
    Row("peer never comes", "NOBODY_BEGINS", "destinationIPAddress", ("UDP 500",), block=500),
    Row("peer cannot install", "PEER_CLOSED", "", ("its log says why",), ours=dict(remote_ts=_net("10.3.0"))),
    Row("disabled", "DISABLED", "connectionStatus", ("Disabled",), ours=dict(flags=0)),
    Row("no certificate", "NO_CREDENTIAL", "credentials", ("no certificate",), ours=dict(auth=2)),
    Row("no secret", "NO_CREDENTIAL", "sharedSecret", ("no shared secret",), ours=dict(secret="")),
    # We begin: the peer refuses and names no more than the protocol has words for.
    Row("refused group", "IKE_PROPOSAL", "mainMode", ("AES256 SHA256 Group14",), we_begin=True,
        theirs=dict(ike="aes256-sha256-ecp384")),
    Row("refused cipher", "IKE_PROPOSAL", "mainMode", ("AES256 SHA256 Group14",), we_begin=True,
        theirs=dict(ike="aes128-sha256-modp2048")),
    Row("refused secret", "KEY", "sharedSecret", ("may not say why",), we_begin=True, theirs=dict(secret="guess")),
    Row("refused identity", "KEY", "sharedSecret", ("may not say why",), we_begin=True,
        theirs=dict(remote_id="gw.example")),
    Row("refused ESP cipher", "ESP_PROPOSAL", "quickMode", ("GCMAES256",), we_begin=True,
        theirs=dict(esp="aes128gcm16")),
    Row("refused selectors", "SELECTORS", "remoteVpnTrafficSelector", ("mirror image",), we_begin=True,
        ours=dict(remote_ts=_net("10.1.0")), theirs=dict(local_ts="10.9.0.0/24")),
    Row("no answer", "NO_ANSWER", "destinationIPAddress", ("UDP 500",), we_begin=True, block=500),
    Row("no second answer", "HALF_OPEN", "", ("UDP 4500",), we_begin=True, block=4500),
    Row("wrong address", "NO_ANSWER", "destinationIPAddress", ("192.0.2.77",), we_begin=True,
        ours=dict(remote="192.0.2.77")),
]

WORKING = [
    Row("peer begins", "FINE"),
    Row("we begin", "FINE", we_begin=True),
    Row("rekeyed", "FINE", rekey=True),
    Row("PFS", "FINE", ours=_esp(dh=14), theirs=dict(esp="aes256gcm16-modp2048"), rekey=True),
    Row("anybody's address", "FINE", ours=dict(remote=None)),
    Row("CBC", "FINE", ours=_esp(AES_CBC, 256, SHA2_256_128), theirs=dict(esp="aes256-sha256")),
    Row("narrowed selectors", "FINE", ours=dict(remote_ts=_net("10.1.0"))),
    Row("ECP384", "FINE", ours=_ike(dh=20), theirs=dict(ike="aes256-sha384-ecp384,aes256-sha256-ecp384")),
]


@pytest.fixture(scope="module")
def lab():
    with laboratory() as parts:
        # libipsec installs a route only if an address of its own lies in the selectors.
        parts[2].ns.ip("addr add 10.1.0.1/32 dev lo")
        yield parts


def diagnose(gw, conn=CONN):
    with gw.api() as api:
        return api.call("ike_diagnose", conn=conn, struct="api_ike_verdict")


def configure(gw, row):
    ours = dict(remote="192.0.2.2", peer_id="site1", secret="verysecret", flags=ENABLED)
    ours.update(row.ours)
    if row.we_begin:
        ours["flags"] |= INITIATE
    suites = {k: ours.pop(k) for k in ("proposal", "child_proposal") if k in ours}
    selectors = {k: ours.pop(k) for k in ("local_ts", "remote_ts") if k in ours}
    if ours.pop("with_certificate", False):
        ca = Authority(gw.net.dir, "own-ca")
        key, certificate = ca.issue("gw.example")
        gw.give(CONN, "CERTIFICATE", certificate_der(certificate))
        gw.give(CONN, "KEY", key_der(key))
    secret = ours.pop("secret")
    gw.connect(CONN, ours.pop("remote"), ours.pop("peer_id"), secret, suites=suites, selectors=selectors, **ours)


def forgotten(site):
    """Ends every IKE_SA of the site, half-open ones without a name too; whether none was there."""
    ids = re.findall(r"^\S.*?: #(\d+), ", site.sas(), re.M)
    for number in ids:
        site.swanctl("--terminate", "--ike-id", number, "--force", "--timeout", "1", check=False)
    return not ids


def provoke(gw, site, row):
    # Ours first, so that it does not dial anew; then nothing of the last row may be left over there.
    with gw.api() as api:
        api.delete("ike_conn", conn=CONN)
    wait_for(lambda: forgotten(site), 10, "the site has no IKE_SA left")
    with gw.api() as api:
        api.delete("ike_conn", conn=CONN)
        api.delete("ike_credential", conn=CONN, type=constants["API_IKE_CRED_PSK"])
    if row.block:
        site.ns.run(["nft", "add table inet block; add chain inet block in { type filter hook input priority 0; }; "
                     "add chain inet block out { type filter hook output priority 0; }; "
                     "add rule inet block in udp dport %d drop; add rule inet block out udp dport %d drop"
                     % (row.block, row.block)])
    site.load(connection("t1", **{**SITE, **row.theirs}))
    configure(gw, row)
    if not row.we_begin:
        site.initiate("t1", check=False, timeout=3)
    if row.rekey:
        wait_for(lambda: gw.is_up(CONN), 5)
        site.swanctl("--rekey", "--child", "t1")


@pytest.mark.parametrize("row", BROKEN, ids=lambda r: r.name.replace(" ", "-"))
def test_the_verdict_names_what_disagrees(lab, row):
    _, gw, site = lab
    code = constants["API_IKE_VERDICT_" + row.code]
    try:
        provoke(gw, site, row)
        wait_for(lambda: diagnose(gw)[0].code == code, 20, "%s, not %s" % (row.code, diagnose(gw)))
        first = diagnose(gw)[0]
        assert first.field.decode() == row.field
        for words in row.words:
            assert words in first.text.decode()
    finally:
        if row.block:
            site.ns.run(["nft", "delete table inet block"])


@pytest.mark.parametrize("row", WORKING, ids=lambda r: r.name.replace(" ", "-"))
def test_nothing_is_wrong_with_what_works(lab, row):
    _, gw, site = lab
    provoke(gw, site, row)
    wait_for(lambda: gw.is_up(CONN), 10)
    if row.rekey:
        wait_for(lambda: gw.state(CONN).rekeys_child or any(
            e.exchange == 36 and not e.request for e in gw_exchanges(gw)), 5)
    wait_for(lambda: diagnose(gw)[0].code == constants["API_IKE_VERDICT_FINE"], 5, diagnose(gw))
    assert b"nothing wrong here" in diagnose(gw)[0].text


def gw_exchanges(gw, conn=CONN):
    with gw.api() as api:
        return api.dump("ike_exchange", conn=conn)


def test_the_exchanges_show_proposals_and_no_keys(lab):
    _, gw, site = lab
    provoke(gw, site, Row("fine", "FINE"))
    wait_for(lambda: gw.is_up(CONN), 5)
    texts = " ".join(e.text.decode() for e in gw_exchanges(gw))
    assert "SA(AES256 SHA256 SHA256 Group14" in texts and "IDi(site1)" in texts and "TSi(0.0.0.0-255.255.255.255)" in texts
    assert "verysecret" not in texts


def test_a_message_of_a_stranger_is_kept_too(lab):
    """From an address that no connection has: kept without a connection."""
    _, gw, site = lab
    provoke(gw, site, Row("fine", "FINE"))
    site.load(connection("t2", "192.0.2.3", "192.0.2.1", "site2", "192.0.2.1", "verysecret"))
    site.initiate("t2", check=False, timeout=3)
    with gw.api() as api:
        strangers = [e for e in api.dump("ike_exchange") if e.conn == 0 and localapi.ip_text(e.remote) == "192.0.2.3"]
    assert any("NO_PROPOSAL_CHOSEN" in e.text.decode() for e in strangers)


def test_no_tenant_sees_anothers_stranger(lab):
    """Two tenants' sites behind one address: who names no connection, or proposes what none allows, is shown to neither."""
    _, gw, site = lab
    provoke(gw, site, Row("disabled", "DISABLED", ours=dict(flags=0)))
    gw.connect(CONN, "192.0.2.2", "site1", "verysecret")
    try:
        for neighbour in ("192.0.2.2", None):
            gw.connect(8, neighbour, "site2", "othersecret")  # another tenant: vrf 8
            for strange in (dict(local_id="site2-mistyped"), dict(local_id="site2", ike="aes128-sha1-ecp384")):
                site.load(connection("t1", **{**SITE, **strange}))
                site.initiate("t1", check=False, timeout=3)
            for conn in (CONN, 8):
                verdicts = diagnose(gw, conn)
                told = " ".join(v.text.decode() for v in verdicts) + " ".join(e.text.decode() for e in gw_exchanges(gw, conn))
                assert "mistyped" not in told and "AES128" not in told and "ECP384" not in told, told
            assert diagnose(gw)[0].code == constants["API_IKE_VERDICT_WITHHELD"]
        # With the other tenant gone, what was meant for it goes too.
        with gw.api() as api:
            api.delete("ike_conn", conn=8)
        assert not gw_exchanges(gw)
    finally:
        with gw.api() as api:
            api.delete("ike_conn", conn=8)
            api.delete("ike_credential", conn=8, type=constants["API_IKE_CRED_PSK"])
