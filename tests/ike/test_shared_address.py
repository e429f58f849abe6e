# SPDX-License-Identifier: Apache-2.0
"""One tenant names the address that another's site comes from: who is meant is settled by proof alone.

    [gw: isthmus-ike + a stand-in forwarder] 192.0.2.1 ----- 192.0.2.2, .3 [site: strongSwan]

Connection 8 is the tenant's whose site stands at 192.0.2.2 and calls itself site2; connection 7 is
another's that names that address too (the stand-in's vrf is the connection's number).
"""

import pytest

from ike_lab import AES_CBC, laboratory
from localapi import constants
from net import wait_for
from strongswan import connection
from test_certificates import CERTIFICATES, Tenant
from pki import certificate_der, key_der

SEVEN, EIGHT = '"secret of seven"', '"secret of eight"'
STRONG, WEAK = "aes256-sha256-modp2048", "aes128-sha1-ecp256"
ONLY_WEAK = dict(suites={"proposal": (AES_CBC, 128, 2, 19)})


@pytest.fixture
def lab():
    with laboratory() as parts:
        yield parts


# What seven has: its peerIdentity and more; what eight has: its remote.
CLAIMS = {
    "no-identity": ("", {}, None),
    "the-same-identity": ("site2", {}, None),
    "no-identity,-both-name-the-address": ("", {}, "192.0.2.2"),
    "another-proposal": ("", ONLY_WEAK, None),
    "another-proposal,-both-name-the-address": ("", ONLY_WEAK, "192.0.2.2"),
    "the-same-identity,-another-proposal": ("site2", ONLY_WEAK, None),
    "certificates": ("", dict(auth=CERTIFICATES), None),
}


def configure(gw, claim):
    identity, more, remote = CLAIMS[claim]
    # Both orders of arrival are the same to a table; the claimant is first.
    gw.connect(7, "192.0.2.2", identity, SEVEN.strip('"'), **more)
    gw.connect(8, remote, "site2", EIGHT.strip('"'))


def comes(site, identity, secret, ike=STRONG, timeout=6):
    site.load(connection("t", "192.0.2.2", "192.0.2.1", identity, "192.0.2.1", secret, ike=ike))
    return site.initiate("t", check=False, timeout=timeout).returncode == 0


def told(gw, conn):
    """All that a connection's tenant is shown."""
    state = gw.state(conn)
    with gw.api() as api:
        return " ".join([e.text.decode() for e in api.dump("ike_exchange", conn=conn)]
                        + [v.text.decode() for v in api.call("ike_diagnose", conn=conn, struct="api_ike_verdict")]
                        + [state.peer_id.decode(), state.reason.decode(), str(state.error)])


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_site_reaches_its_own_tenant_whoever_names_its_address(lab, claim):
    _, gw, site = lab
    configure(gw, claim)
    before = told(gw, 7)
    assert comes(site, "site2", EIGHT)
    wait_for(lambda: gw.is_up(8), 5)
    assert not gw.is_up(7) and not gw.told("sa set conn=7")
    assert told(gw, 7) == before


@pytest.mark.parametrize("claim", [c for c in CLAIMS if c != "certificates"])
def test_who_names_the_address_has_its_own_site_there(lab, claim):
    _, gw, site = lab
    configure(gw, claim)
    weak = CLAIMS[claim][1] is ONLY_WEAK
    assert comes(site, CLAIMS[claim][0] or "whoever", SEVEN, WEAK if weak else STRONG)
    wait_for(lambda: gw.is_up(7), 5)
    assert not gw.is_up(8) and not gw.told("sa set conn=8")
    assert "whoever" not in told(gw, 8)


@pytest.mark.parametrize("claim", CLAIMS)
def test_who_proves_nothing_is_shown_to_neither(lab, claim):
    _, gw, site = lab
    configure(gw, claim)
    before = told(gw, 7), gw.state(8).error
    for identity in ("site2", "mistyped"):
        assert not comes(site, identity, '"of nobody"')
    # That something came may be said, by whom and what not.
    withheld = "other tenants share the address, so they are not shown"
    assert "mistyped" not in told(gw, 7) + told(gw, 8)
    assert told(gw, 7) == before[0] or withheld in told(gw, 7)
    assert gw.state(7).error == 0 and gw.state(8).error == before[1]
    assert "IDi" not in told(gw, 7) and "IDi" not in told(gw, 8)


def test_a_choice_that_suits_the_other_alone_is_made_anew(lab):
    """The site offers what either tenant allows: which suite is right shows with its identity only."""
    _, gw, site = lab
    configure(gw, "another-proposal")
    wait_for(lambda: comes(site, "site2", EIGHT, WEAK + "," + STRONG), 20)
    wait_for(lambda: gw.is_up(8), 5)
    assert not gw.is_up(7)


@pytest.mark.parametrize("identity", ["", "site.b"], ids=["no-identity", "the-same-identity"])
@pytest.mark.parametrize("trusts", ["b", "a"], ids=["trusting-its-CA", "trusting-its-own-CA"])
def test_certificates_that_another_tenant_trusts_too(lab, identity, trusts):
    """A CA's certificate is no secret: trusting it brings nobody another's site."""
    net, gw, site = lab
    a, b = Tenant(net, "a"), Tenant(net, "b")
    gw.give(7, "CERTIFICATE", certificate_der(a.gw_pem))
    gw.give(7, "CERTIFICATE", certificate_der(a.middle.pem), 1)
    gw.give(7, "KEY", key_der(a.gw_key))
    gw.give(7, "CA", certificate_der((b if trusts == "b" else a).root.pem))
    gw.connect(7, "192.0.2.2", identity, "", auth=CERTIFICATES)
    b.configure(gw, 8, None)
    before = told(gw, 7)
    b.load(site, "192.0.2.2")
    site.initiate("t")
    wait_for(lambda: gw.is_up(8), 5)
    assert not gw.is_up(7) and not gw.told("sa set conn=7")
    assert told(gw, 7) == before and constants["API_IKE_UP"] != gw.state(7).state
