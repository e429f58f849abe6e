# SPDX-License-Identifier: Apache-2.0
"""Keeps the lab's hosts as the controller's host routes say, and from nothing else.

Rows are those of `isthmus get hostroutes -o json`: a `hostSubnet` names a tenant's virtual subnet and
its VNI, a `hostRoute` a prefix behind the tenant's gateways with the MAC and PA to reach it at.
"""

import ipaddress


class HostRoutes:
    def __init__(self, scene, network_of):
        """network_of(tenant): the name of its virtual network, by which rows are told apart."""
        self.scene, self.network_of = scene, network_of
        self.applied = {}  # tenant's name -> {prefix: (vni, via, mac, pa)}

    def apply(self, rows):
        """Brings every host to what `rows` say; what they no longer say is taken away."""
        for tenant in self.scene.tenants:
            subnets = [r for r in rows if r["kind"] == "hostSubnet" and r["subnet"].split("/")[2] == self.network_of(tenant)]
            for s in subnets:
                if tenant.subnet in s["prefixes"]:
                    self.scene.connect_machines(tenant, s["vni"])
            vrfs = {s["vrf"] for s in subnets}
            self._routes(tenant, {r["prefix"]: (self._vni_of(subnets, r["via"]), r["via"], r["mac"], r["pa"][0])
                                  for r in rows if r["kind"] == "hostRoute" and r["vrf"] in vrfs})

    @staticmethod
    def _vni_of(subnets, address):
        """The gateway subnet: the one that the next hop is in."""
        address = ipaddress.ip_address(address)
        return next(s["vni"] for s in subnets if any(address in ipaddress.ip_network(p) for p in s["prefixes"]))

    def _routes(self, tenant, wanted):
        before = self.applied.get(tenant.name, {})
        for host in self.scene.hosts.values():
            router = host.router(tenant.name)
            for prefix, route in wanted.items():
                if before.get(prefix) != route:
                    router.gateway_subnet(route[0])
                    router.route(prefix, *route)
            for prefix in set(before) - set(wanted):
                router.unroute(prefix)
        self.applied[tenant.name] = wanted
