# SPDX-License-Identifier: Apache-2.0
"""isthmus-ike by itself, against strongSwan.

    [gw: isthmus-ike + a stand-in forwarder] 192.0.2.1 ----- 192.0.2.2, .3 [site: strongSwan]

The stand-in carries IKE datagrams over plain UDP sockets and writes down what it is told of SAs.
"""

import os

import pytest

from ike_lab import AUTHENTICATION_FAILED, ENABLED, INITIATE, laboratory
from net import program, wait_for
from strongswan import connection


@pytest.fixture
def lab():
    with laboratory() as parts:
        yield parts


def test_peer_initiates_and_the_forwarder_gets_the_pair(lab):
    _, gw, site = lab
    gw.connect(7, "192.0.2.2", "site1", "verysecret")
    site.load(connection("t1", "192.0.2.2", "192.0.2.1", "site1", "192.0.2.1", "verysecret"))
    site.initiate("t1")
    wait_for(lambda: gw.is_up(7), 5)
    spis = dict((d, s) for s, d in gw.told(r"sa set conn=7 spi=([0-9a-f]{8}) dir=(in|out)"))
    assert int(spis["in"], 16) >> 20 == 5, "our SPI names the slot"
    assert gw.told(r"policy set conn=7 child=\d+ out=([0-9a-f]{8})")[-1] == spis["out"]
    assert gw.state(7).peer_id == b"site1"
    assert gw.state(7).spi_responder & 0xffff == 5, "our IKE SPI names the slot"


def test_we_initiate_over_ipv6(lab):
    _, gw, site = lab
    site.load(connection("t1", "2001:db8::2", "2001:db8::1", "site1", "2001:db8::1", "verysecret",
                         local_ts="::/0", remote_ts="::/0"))
    gw.connect(7, "2001:db8::2", "site1", "verysecret", local="2001:db8::1", flags=ENABLED | INITIATE)
    wait_for(lambda: gw.is_up(7), 10)
    assert gw.state(7).initiator == 1
    assert gw.state(7).spi_initiator & 0xffff == 5


def test_wrong_key_is_refused_and_named(lab):
    _, gw, site = lab
    gw.connect(7, "192.0.2.2", "site1", "verysecret")
    site.load(connection("t1", "192.0.2.2", "192.0.2.1", "site1", "192.0.2.1", "guess"))
    assert site.initiate("t1", check=False).returncode
    assert not gw.is_up(7)
    assert gw.state(7).error == AUTHENTICATION_FAILED
    assert b"pre-shared key" in gw.state(7).reason
    assert not gw.told("sa set")


def test_another_tenants_key_does_not_prove_an_identity(lab):
    """Tenant 8's secret with tenant 7's identity, from tenant 7's address: refused."""
    _, gw, site = lab
    gw.connect(7, "192.0.2.2", "site1", "secret of seven")
    gw.connect(8, "192.0.2.3", "site2", "secret of eight")
    site.load(connection("t1", "192.0.2.2", "192.0.2.1", "site1", "192.0.2.1", '"secret of eight"'))
    assert site.initiate("t1", check=False).returncode
    assert gw.state(7).error == AUTHENTICATION_FAILED
    assert not gw.told("sa set")


def test_equal_identities_from_two_addresses_are_two_connections(lab):
    _, gw, site = lab
    gw.connect(7, "192.0.2.2", "branch", "secret of seven")
    gw.connect(8, "192.0.2.3", "branch", "secret of eight")
    for conn, local, secret in ((7, "192.0.2.2", '"secret of seven"'), (8, "192.0.2.3", '"secret of eight"')):
        site.load(connection("t", local, "192.0.2.1", "branch", "192.0.2.1", secret))
        site.initiate("t")
        wait_for(lambda c=conn: gw.is_up(c), 5)
    assert gw.is_up(7), "the second did not replace the first"


def test_twins_behind_one_address_are_told_apart_by_identity(lab):
    _, gw, site = lab
    gw.connect(7, "192.0.2.2", "site1", "secret of seven")
    gw.connect(8, "192.0.2.2", "site2", "secret of eight")
    for conn, name, secret in ((7, "site1", '"secret of seven"'), (8, "site2", '"secret of eight"')):
        site.load(connection("t", "192.0.2.2", "192.0.2.1", name, "192.0.2.1", secret))
        site.initiate("t")
        wait_for(lambda c=conn: gw.is_up(c), 5)


def test_equal_identity_and_address_are_refused_in_words(lab):
    _, gw, _ = lab
    gw.connect(7, "192.0.2.2", "branch", "secret of seven")
    with pytest.raises(Exception, match="another connection has this address and identity"):
        gw.connect(8, "192.0.2.2", "branch", "secret of eight")


def test_proposal_mismatch_is_named(lab):
    _, gw, site = lab
    gw.connect(7, "192.0.2.2", "site1", "verysecret", dh=20)
    site.load(connection("t1", "192.0.2.2", "192.0.2.1", "site1", "192.0.2.1", "verysecret"))
    assert site.initiate("t1", check=False).returncode
    assert not gw.is_up(7)


def test_disabled_is_torn_down_and_refused(lab):
    _, gw, site = lab
    gw.connect(7, "192.0.2.2", "site1", "verysecret")
    site.load(connection("t1", "192.0.2.2", "192.0.2.1", "site1", "192.0.2.1", "verysecret"))
    site.initiate("t1")
    wait_for(lambda: gw.is_up(7), 5)
    gw.connect(7, "192.0.2.2", "site1", "verysecret", flags=0)
    wait_for(lambda: gw.told(r"sa del conn=7 .* dir=(in)"), 5)
    assert "ESTABLISHED" not in site.sas()
    assert site.initiate("t1", check=False, timeout=3).returncode


def test_restarted_forwarder_is_told_all_again_behind_the_grant(lab):
    _, gw, site = lab
    gw.connect(7, "192.0.2.2", "site1", "verysecret")
    site.load(connection("t1", "192.0.2.2", "192.0.2.1", "site1", "192.0.2.1", "verysecret"))
    site.initiate("t1")
    wait_for(lambda: gw.is_up(7), 5)
    gw.forwarder.kill()
    gw.forwarder.proc.wait()
    gw.start_forwarder()
    wait_for(lambda: len(gw.told(r"sa set conn=7 .* dir=out")) == 2, 5)
    assert gw.told(r"sa set conn=7 .* dir=out .* sequence=(\d+)") == ["0", str(1 << 20)]
    assert gw.told(r"sa set conn=7 .* dir=in .* closed=(\d)") == ["0", "1"]
    assert gw.is_up(7)


def test_rekeying_from_our_side_leaves_one_pair(lab):
    _, gw, site = lab
    gw.connect(7, "192.0.2.2", "site1", "verysecret")
    site.load(connection("t1", "192.0.2.2", "192.0.2.1", "site1", "192.0.2.1", "verysecret"))
    site.initiate("t1")
    wait_for(lambda: gw.is_up(7), 5)
    site.swanctl("--rekey", "--child", "t1")
    wait_for(lambda: gw.told(r"sa del conn=7 .* dir=(in)"), 15)
    installed, gone = gw.told(r"sa set conn=7 spi=(\w+)"), gw.told(r"sa del conn=7 spi=(\w+)")
    assert len(set(installed)) == 4 and set(gone) == set(installed[:2])
    assert gw.told(r"policy set conn=7 child=\d+ out=(\w+)")[-1] in installed[2:]
    assert not gw.told("policy del")


def test_no_secret_in_the_log(lab):
    _, gw, site = lab
    gw.connect(7, "192.0.2.2", "site1", "verysecret")
    site.load(connection("t1", "192.0.2.2", "192.0.2.1", "site1", "192.0.2.1", "verysecret"))
    site.initiate("t1")
    wait_for(lambda: gw.is_up(7), 5)
    assert "verysecret" not in gw.ike.output()


def test_it_runs_without_privileges(lab):
    """As its unit starts it: a user and group of its own, no capability, the sockets shared by the group."""
    net, gw, site = lab
    gid = 65534
    gw.ike.stop()
    os.chown(net.dir, -1, gid)
    net.dir.chmod(0o770)
    os.chown(gw.forwarder_socket, -1, gid)
    gw.ike = net.spawn("ike-unprivileged", [
        "setpriv", "--reuid=65534", "--regid=%d" % gid, "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs",
        program("isthmus-ike"), "--socket", gw.socket, "--forwarder", gw.forwarder_socket, "--verbose"], gw.ns)
    wait_for(gw._answers, 15, "isthmus-ike answers")
    gw.connect(7, "192.0.2.2", "site1", "secret")
    site.load(connection("t1", "192.0.2.2", "192.0.2.1", "site1", "192.0.2.1", "secret"))
    site.initiate("t1")
    wait_for(lambda: gw.is_up(7), 5)
