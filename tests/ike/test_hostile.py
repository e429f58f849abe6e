# SPDX-License-Identifier: Apache-2.0
"""Peers of one tenant that would harm another: each has one outcome, and none crosses tenants.

    [gw: isthmus-ike + a stand-in forwarder] 192.0.2.1 ----- 192.0.2.2, .3 [site: strongSwan]

Connection 7 is one tenant's, 8 another's (the stand-in's vrf is the connection's number).
"""

import pytest

from ike_lab import AES_CBC, AUTHENTICATION_FAILED, laboratory
from net import wait_for
from strongswan import StrongSwan, connection

SEVEN, EIGHT = '"secret of seven"', '"secret of eight"'
SHA1_96, ECP_256, SHA2_256_128, MODP_2048 = 2, 19, 12, 14
STRONG, WEAK = "aes256-sha256-modp2048", "aes128-sha1-ecp256"


@pytest.fixture
def lab():
    with laboratory() as parts:
        yield parts


def suite(ike):
    return {"proposal": (AES_CBC, 256, SHA2_256_128, MODP_2048) if ike == STRONG else (AES_CBC, 128, SHA1_96, ECP_256)}


def comes(site, address, identity, secret, ike=STRONG):
    """Whether strongSwan, started with these, says that its tunnel is up."""
    site.load(connection("t", address, "192.0.2.1", identity, "192.0.2.1", secret, ike=ike))
    return site.initiate("t", check=False, timeout=5).returncode == 0


def replaced(gw, site):
    """A strongSwan that knows of no SA, in the place of one that died without a word."""
    site.process.kill()
    site.process.proc.wait()
    return StrongSwan(gw.net, "replaced", site.ns)


def sent(gw, conn):
    with gw.api() as api:
        return " ".join(e.text.decode() for e in api.dump("ike_exchange", conn=conn))


# name, what 8 is configured with, how the hostile peer of tenant 8 comes, which connection it may bring up
OUTCOMES = [
    ("own secret, another's identity and address", dict(remote="192.0.2.3"), ("192.0.2.2", "site1", EIGHT), None),
    ("own secret and address, another's identity", dict(remote="192.0.2.3"), ("192.0.2.3", "site1", EIGHT), None),
    ("another's secret, own identity and address", dict(remote="192.0.2.3"), ("192.0.2.3", "site2", SEVEN), None),
    ("own of all, from another's address", dict(remote="192.0.2.3"), ("192.0.2.2", "site2", EIGHT), None),
    ("own of all, expected from anywhere", dict(remote=None), ("192.0.2.2", "site2", EIGHT), 8),
    ("twin behind one address with another's secret", dict(remote="192.0.2.2"), ("192.0.2.2", "site2", SEVEN), None),
    ("twin behind one address with another's identity", dict(remote="192.0.2.2"), ("192.0.2.2", "site1", EIGHT), None),
    ("twin behind one address as it should be", dict(remote="192.0.2.2"), ("192.0.2.2", "site2", EIGHT), 8),
    ("twin with a proposal only the other allows", dict(remote="192.0.2.2", suites=suite(WEAK)), ("192.0.2.2", "site2", EIGHT), None),
    ("twin with its own proposal", dict(remote="192.0.2.2", suites=suite(WEAK)), ("192.0.2.2", "site2", EIGHT, WEAK), 8),
]


@pytest.mark.parametrize("name,ours,theirs,up", OUTCOMES, ids=lambda v: v.replace(" ", "-") if isinstance(v, str) else "")
def test_a_hostile_peer_brings_up_its_own_connection_or_none(lab, name, ours, theirs, up):
    _, gw, site = lab
    gw.connect(7, "192.0.2.2", "site1", SEVEN.strip('"'))
    gw.connect(8, ours.pop("remote"), "site2", EIGHT.strip('"'), **ours)
    assert comes(site, *theirs) == (up is not None)
    assert gw.is_up(8) == (up == 8) and not gw.is_up(7)
    assert not gw.told(r"sa set conn=7"), "nothing was installed for the other tenant"


def test_a_tunnel_survives_what_anothers_peer_does(lab):
    """Initial contact, a wrong secret under its identity, an unknown identity: from its own address."""
    _, gw, site = lab
    gw.connect(7, "192.0.2.2", "branch", SEVEN.strip('"'))
    gw.connect(8, "192.0.2.3", "branch", EIGHT.strip('"'))
    assert comes(site, "192.0.2.2", "branch", SEVEN)
    wait_for(lambda: gw.is_up(7), 5)
    before = gw.state(7)
    other = replaced(gw, site)
    assert comes(other, "192.0.2.3", "branch", EIGHT)
    assert "INITIAL_CONTACT" in sent(gw, 8)
    assert not comes(other, "192.0.2.2", "branch", EIGHT)
    assert not comes(other, "192.0.2.2", "nobody", EIGHT)
    now = gw.state(7)
    assert gw.is_up(7) and (now.spi_initiator, now.spi_responder, now.child_count) == (
        before.spi_initiator, before.spi_responder, before.child_count)
    assert not gw.told("sa del conn=7")


def test_initial_contact_supersedes_within_the_connection_only(lab):
    """A site that was restarted comes again: its old pair goes, the other tenant's stays."""
    _, gw, site = lab
    gw.connect(7, "192.0.2.2", "branch", SEVEN.strip('"'))
    gw.connect(8, "192.0.2.3", "branch", EIGHT.strip('"'))
    assert comes(site, "192.0.2.2", "branch", SEVEN) and comes(site, "192.0.2.3", "branch", EIGHT)
    wait_for(lambda: gw.is_up(7) and gw.is_up(8), 5)
    first = gw.told(r"sa set conn=8 spi=(\w+)")
    # Younger than this it could be the other half of a simultaneous initiation, and stays.
    wait_for(lambda: gw.state(8).up_s > 6, 15)
    assert comes(replaced(gw, site), "192.0.2.3", "branch", EIGHT)
    # The Delete is sent again for a while to one who knows the old pair no more.
    wait_for(lambda: set(first) <= set(gw.told(r"sa del conn=8 spi=(\w+)")), 30)
    assert gw.is_up(7) and gw.is_up(8) and not gw.told("sa del conn=7")


def test_a_wrong_secret_is_said_to_its_own_tenant_only(lab):
    _, gw, site = lab
    gw.connect(7, "192.0.2.2", "site1", SEVEN.strip('"'))
    gw.connect(8, "192.0.2.2", "site2", EIGHT.strip('"'))
    assert not comes(site, "192.0.2.2", "site2", SEVEN)
    assert gw.state(8).error == AUTHENTICATION_FAILED and gw.state(7).error == 0
    assert "site2" in sent(gw, 8) and "site2" not in sent(gw, 7)
