# SPDX-License-Identifier: Apache-2.0
"""A pool of 2+1 behind one public address, each active gateway with a tenant's IPsec tunnel.

   ipsec-contoso  198.51.100.21, ipsec-fabrikam 198.51.100.22 -- router -- underlay -- gw1, gw2, gw3
"""

import wanted
from ipsec_lab import LAN, MACHINE, VIP, IpsecSite, ipsec_connection
from pool import PoolLab
from traffic import ping

KBPS = 2000000  # in each direction: two of them are more than one gateway carries


class VipLab(PoolLab):
    with_ike = True

    def __init__(self):
        super().__init__(3, 1, gre=False, vlan=False)

    def _pool(self, gateways):
        self.sites = {t.name: IpsecSite(self.scene, t, "198.51.100.%d" % (20 + t.number), VIP) for t in self.tenants}
        super()._pool(gateways)

    def put_tenant(self, t):
        connection = {**ipsec_connection(self.sites[t.name]), "outboundKiloBitsPerSecond": KBPS, "inboundKiloBitsPerSecond": KBPS}
        self.sites[t.name].load()
        for path, properties in wanted.tenant(t):
            if path.startswith("virtualGateways/"):
                properties["networkConnections"] = [{"resourceId": "IPsecGW", "properties": connection}]
            self.nc.put(path, properties)

    @staticmethod
    def _site_prefixes(t):
        return {LAN}

    def holder(self, t):
        return self.holder_of(t, "IPsecGW")

    def pairs(self, t):
        vm, site = t.vms["vm1"], self.sites[t.name]
        return [(vm.ns, vm.addresses[0], site.ns, MACHINE), (site.ns, MACHINE, vm.ns, vm.addresses[0])]

    def passes(self, t):
        return ping(t.vms["vm1"].ns, MACHINE, wait_s=0.3)

    def answering(self):
        """The gateway that answers for the public address."""
        return next((m for m in self.members if VIP in m.vips()), None)
