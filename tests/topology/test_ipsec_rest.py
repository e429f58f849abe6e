# SPDX-License-Identifier: Apache-2.0
"""IPsec told by PUTs alone: controller, agent, isthmus-ike, forwarder; strongSwan at the sites.

   vm1 (h1), vm2 (h2) of contoso, fabrikam --VXLAN-- gateway 203.0.113.4 --ESP in UDP-- ipsec-contoso, -fabrikam
   10.0.0.4  10.0.0.5                                                                   10.3.0.10 each
"""

import json
import shutil
import subprocess

import pytest

import wanted
from controlled import ControlledLab
from ipsec_lab import LAN, MACHINE, VIP, IpsecSite, ipsec_connection
from net import program, wait_for
from pki import Authority
from traffic import flows, ping


class Lab(ControlledLab):
    def __init__(self):
        super().__init__(gre=False, vlan=False)
        try:
            self.put_provider()
            self.start_gateway(ike=True)
            self.sites = {t.name: IpsecSite(self.scene, t, "198.51.100.%d" % (20 + t.number), VIP) for t in self.tenants}
            for t in self.tenants:
                self.put_tenant(t)
                self.sites[t.name].load()
            self.wait_hosts()
        except BaseException:
            self.close()
            raise

    def put_tenant(self, t):
        for path, properties in wanted.tenant(t):
            if path.startswith("virtualGateways/"):
                properties["networkConnections"] = [
                    {"resourceId": "IPsecGW", "properties": ipsec_connection(self.sites[t.name])}]
            self.nc.put(path, properties)

    def _site_prefixes(self, t):
        return {LAN}

    def connection(self, t):
        return self.nc.get("virtualGateways/%s/networkConnections/IPsecGW" % t.name)["properties"]

    def doctor(self, t):
        """What `isthmus gw doctor` says of the tenant's connection."""
        with self.gateway.api() as api:
            conn = next(c.conn for c in api.dump("conn") if c.name.lower() == b"%s/ipsecgw" % t.name.encode())
        argv = [program("isthmus"), "gw", "doctor", conn, "--socket", self.gateway.ike_socket, "-o", "json"]
        return json.loads(subprocess.run([str(a) for a in argv], check=True, capture_output=True, text=True).stdout)["verdicts"]


@pytest.fixture(scope="module")
def lab():
    with Lab() as it:
        yield it


def test_tenants_with_equal_addresses_reach_their_own_ipsec_sites(lab):
    pairs = []
    for t in lab.tenants:
        site = lab.sites[t.name]
        site.swan.initiate("hq", check=False)  # refused where the gateway was quicker
        wait_for(lambda: lab.connection(t)["connectionState"] == "Connected", 10, t.name + " is Connected")
        vm = t.vms["vm1"]
        wait_for(lambda: ping(vm.ns, MACHINE), 10, "the tunnel of " + t.name)
        pairs += [(vm.ns, vm.addresses[0], site.ns, MACHINE), (site.ns, MACHINE, vm.ns, vm.addresses[0])]
    with flows(*pairs, rate=100) as accounts:
        wait_for(lambda: ping(lab.tenants[0].vms["vm2"].ns, MACHINE, 50) == 50, 20, "50 answers")
    for account in accounts:
        assert account["received"] > 20 and not (account["lost"] or account["foreign"] or account["duplicates"]), account


def test_the_doctor_names_a_wrong_secret(lab):
    t = lab.tenants[0]
    site = lab.sites[t.name]
    site.load(secret="not the one agreed")
    site.swan.swanctl("--terminate", "--ike", "hq", check=False)
    assert site.swan.initiate("hq", check=False).returncode != 0

    def named():
        first = lab.doctor(t)[0]
        return first["exchange"] == "IKE_AUTH" and "shared secrets differ" in first["verdict"]
    wait_for(named, 20, "the doctor names the secret")
    assert not ping(t.vms["vm1"].ns, MACHINE, 2, wait_s=0.3)
    site.load()
    site.swan.initiate("hq", check=False)
    wait_for(lambda: ping(t.vms["vm1"].ns, MACHINE), 20, "the tunnel again")


PUBKEY = """connections { hq {
  version = 2
  local_addrs = %(local)s
  remote_addrs = %(vip)s
  proposals = aes256-sha256-modp2048
  send_cert = always
  local { auth = pubkey
    certs = %(certs)s
    id = %(identity)s }
  remote { auth = pubkey
    id = gw.example }
  children { hq {
    local_ts = %(lan)s
    remote_ts = 10.0.0.0/16
    esp_proposals = aes256gcm16 } } } }
authorities { ca { cacert = %(root)s } }
"""


class Certified:
    """A root, a CA below it, and a certificate for either end."""

    def __init__(self, folder, identity, kind):
        self.root = Authority(folder, "root", kind)
        self.middle = Authority(folder, "middle", kind, parent=self.root)
        self.gw_key, self.gw_pem = self.middle.issue("gw.example", kind)
        self.site_key, self.site_pem = self.middle.issue(identity, kind)

    def put(self, nc):
        nc.put("credentials/gw", {"type": "X509Certificate", "isthmus": {
            "certificates": self.gw_pem.read_text() + self.middle.pem.read_text(), "privateKey": self.gw_key.read_text()}})
        self.put_authority(nc)

    def put_authority(self, nc, **more):
        nc.put("credentials/ca", {"type": "X509Certificate", "isthmus": {"certificates": self.root.pem.read_text(), **more}})

    def load(self, site):
        private = site.swan.dir / "private"
        private.mkdir(exist_ok=True)
        shutil.copy(self.site_key, private / "hq.key")
        site.swan.load(PUBKEY % dict(local=site.address, vip=VIP, certs="%s, %s" % (self.site_pem, self.middle.pem),
                                     identity=site.identity, lan=LAN, root=self.root.pem))


def diagnosis(lab, t):
    """What `isthmus doctor` says: controller, agent, isthmus-ike."""
    answer = json.loads(lab.cli("doctor", t.name + "/IPsecGW", "-o", "json"))
    return [v["verdict"] for v in answer["verdicts"]], answer["exchanges"]


def test_a_diagnosis_goes_from_the_controller_to_isthmus_ike_and_back(lab):
    t = lab.tenants[0]
    site = lab.sites[t.name]
    site.swan.initiate("hq", check=False)
    wait_for(lambda: ping(t.vms["vm1"].ns, MACHINE), 20, "the tunnel")
    wait_for(lambda: diagnosis(lab, t)[0][0].startswith("nothing wrong here"), 10, "nothing is wrong")
    assert any(e["exchange"] == "IKE_AUTH" for e in diagnosis(lab, t)[1])
    site.load(secret="another one")
    site.swan.swanctl("--terminate", "--ike", "hq", check=False)
    site.swan.initiate("hq", check=False)
    wait_for(lambda: "shared secrets differ" in diagnosis(lab, t)[0][0], 20, "the secret is named")
    assert "another one" not in str(diagnosis(lab, t))
    site.load()
    site.swan.initiate("hq", check=False)
    wait_for(lambda: ping(t.vms["vm1"].ns, MACHINE), 20, "the tunnel again")


def test_certificates_put_as_credentials_make_the_tunnel_and_a_crl_ends_it(lab, tmp_path):
    t = lab.tenants[1]
    site, vm = lab.sites[t.name], t.vms["vm1"]
    them = Certified(tmp_path, site.identity, "ecdsa")
    them.put(lab.nc)
    assert "privateKey" not in lab.nc.get("credentials/gw")["properties"]["isthmus"]
    wanted_now = ipsec_connection(site)
    del wanted_now["ipSecConfiguration"]["sharedSecret"]
    wanted_now["ipSecConfiguration"]["authenticationMethod"] = "Certificates"
    wanted_now["isthmus"].update(localIdentity="gw.example", certificate={"resourceRef": "/credentials/gw"},
                                 peerAuthorities=[{"resourceRef": "/credentials/ca"}])
    lab.nc.put("virtualGateways/%s/networkConnections/IPsecGW" % t.name, wanted_now)
    them.load(site)
    site.swan.swanctl("--terminate", "--ike", "hq", check=False)
    site.swan.initiate("hq", check=False)  # refused where the gateway was quicker
    wait_for(lambda: ping(vm.ns, MACHINE), 20, "the tunnel by certificates")
    secret = them.gw_key.read_text().split("\n")[1].encode()
    for path in lab.scene.net.dir.rglob("*"):
        assert not path.is_file() or secret not in path.read_bytes(), "the private key lies in clear in %s" % path
    them.middle.crl(them.site_pem)
    them.put_authority(lab.nc, revocationLists=them.middle.crl_pem.read_text())

    def refused():
        site.swan.swanctl("--terminate", "--ike", "hq", check=False)
        return site.swan.initiate("hq", check=False, timeout=5).returncode != 0 and not ping(vm.ns, MACHINE, 1, wait_s=0.2)
    wait_for(refused, 30, "the revoked site is refused")
    wait_for(lambda: any("revoked" in v["verdict"] for v in lab.doctor(t)), 10, "the doctor names the revocation")
