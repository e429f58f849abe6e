# SPDX-License-Identifier: Apache-2.0
"""Certificates end to end: chains, revocation, and CAs that reach no further than their tenant.

    [gw: isthmus-ike + a stand-in forwarder] 192.0.2.1 ----- 192.0.2.2, .3 [site: strongSwan]

Each tenant has a root, an intermediate CA below it, and a certificate for each end.
"""

import shutil

import pytest

from ike_lab import AUTHENTICATION_FAILED, laboratory
from localapi import constants
from net import wait_for
from pki import Authority, certificate_der, key_der

CERTIFICATES = 2


@pytest.fixture
def lab():
    with laboratory() as parts:
        yield parts


class Tenant:
    def __init__(self, net, name, kind="ecdsa"):
        self.folder = net.dir / name
        self.folder.mkdir()
        self.root = Authority(self.folder, name + "-root", kind)
        self.middle = Authority(self.folder, name + "-middle", kind, parent=self.root)
        self.gw_key, self.gw_pem = self.middle.issue("gw." + name, kind)
        self.site_key, self.site_pem = self.middle.issue("site." + name, kind)
        self.name = name

    def configure(self, gw, conn, remote, crl=None):
        gw.give(conn, "CERTIFICATE", certificate_der(self.gw_pem))
        gw.give(conn, "CERTIFICATE", certificate_der(self.middle.pem), 1)
        gw.give(conn, "KEY", key_der(self.gw_key))
        gw.give(conn, "CA", certificate_der(self.root.pem))
        if crl:
            gw.give(conn, "CRL", crl)
        gw.connect(conn, remote, "site." + self.name, "", auth=CERTIFICATES, local_id=b"gw." + self.name.encode())

    def load(self, site, local, gw_name=None, site_name=None):
        """The site's end: `site_name` is what it calls itself, `gw_name` whom it expects."""
        private = site.dir / "private"
        private.mkdir(exist_ok=True)
        shutil.copy(self.site_key, private / "t.key")
        site.load("""connections { t {
  version = 2
  local_addrs = %s
  remote_addrs = 192.0.2.1
  proposals = aes256-sha256-modp2048
  send_cert = always
  local { auth = pubkey
    certs = %s, %s
    id = site.%s }
  remote { auth = pubkey
    id = gw.%s }
  children { t {
    local_ts = 0.0.0.0/0
    remote_ts = 0.0.0.0/0
    esp_proposals = aes256gcm16 } } } }
authorities { ca { cacert = %s } }
""" % (local, self.site_pem, self.middle.pem, site_name or self.name, gw_name or self.name, self.root.pem))


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
def test_a_chain_proves_both_ends(lab, kind):
    net, gw, site = lab
    tenant = Tenant(net, "a", kind)
    tenant.configure(gw, 7, "192.0.2.2")
    tenant.load(site, "192.0.2.2")
    site.initiate("t")
    wait_for(lambda: gw.is_up(7), 5)
    assert gw.state(7).peer_id == b"site.a"


def test_another_tenants_ca_proves_nothing_here(lab):
    """Tenant b's site, with b's good certificate for the name that a's connection expects."""
    net, gw, site = lab
    a, b = Tenant(net, "a"), Tenant(net, "b")
    a.configure(gw, 7, "192.0.2.2")
    b.configure(gw, 8, "192.0.2.3")
    b.site_key, b.site_pem = b.middle.issue("site.a")
    b.load(site, "192.0.2.2", "a", "a")
    assert site.initiate("t", check=False, timeout=5).returncode
    assert gw.state(7).error == AUTHENTICATION_FAILED
    assert not gw.told("sa set")
    with gw.api() as api:
        verdict = api.call("ike_diagnose", conn=7, struct="api_ike_verdict")[0]
    assert verdict.code == constants["API_IKE_VERDICT_CERTIFICATE"], verdict


def test_a_revoked_certificate_is_refused(lab):
    net, gw, site = lab
    tenant = Tenant(net, "a")
    tenant.configure(gw, 7, "192.0.2.2", crl=tenant.middle.crl(tenant.site_pem))
    tenant.load(site, "192.0.2.2")
    assert site.initiate("t", check=False, timeout=5).returncode
    assert gw.state(7).error == AUTHENTICATION_FAILED
    assert not gw.told("sa set")


def test_a_crl_that_names_another_lets_pass(lab):
    net, gw, site = lab
    tenant = Tenant(net, "a")
    tenant.configure(gw, 7, "192.0.2.2", crl=tenant.middle.crl())
    tenant.load(site, "192.0.2.2")
    site.initiate("t")
    wait_for(lambda: gw.is_up(7), 5)
