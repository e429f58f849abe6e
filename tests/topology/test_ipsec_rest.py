# SPDX-License-Identifier: Apache-2.0
"""IPsec told by PUTs alone: controller, agent, isthmus-ike, forwarder; strongSwan at the sites.

   vm1 (h1), vm2 (h2) of contoso, fabrikam --VXLAN-- gateway 203.0.113.4 --ESP in UDP-- ipsec-contoso, -fabrikam
   10.0.0.4  10.0.0.5                                                                   10.3.0.10 each
"""

import json
import subprocess

import pytest

import wanted
from controlled import ControlledLab
from ipsec_lab import LAN, MACHINE, VIP, IpsecSite, ipsec_connection
from net import program, wait_for
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
