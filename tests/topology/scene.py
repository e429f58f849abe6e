# SPDX-License-Identifier: Apache-2.0
"""The story most tests play: two tenants with the same addresses everywhere, one gateway.

  contoso:  vm1 on h1, vm2 on h2   -- VXLAN 5001 --.         .-- GRE, key 1234 -- site-a
            10.0.0.4    10.0.0.5                    \\       /    10.1.0.10
                                                      gateway --- VLAN 1001 ----- vlan-a  10.2.0.10
  fabrikam: vm1 on h1, vm2 on h2   -- VXLAN 5002 ---/       \\--- GRE, key 5678 -- site-b  10.1.0.10
            10.0.0.4    10.0.0.5                              `-- VLAN 1002 ----- vlan-b  10.2.0.10

How the gateway is told (directly, or by the controller's REST API) is not this file's matter.
"""

from fabric import Fabric
from traffic import ping

GATEWAY_MTU = 1500 - 28  # of a GRE connection: outer IP and GRE with key


class Tenant:
    def __init__(self, number, name, gre_key, vlan, site_address):
        self.number, self.name, self.gre_key, self.vlan, self.site_address = number, name, gre_key, vlan, site_address
        self.vni, self.gateway_vni = 5000 + number, 5900 + number  # unless the controller chooses
        self.vm_macs = {"vm1": "02:a%d:00:00:00:04" % number, "vm2": "02:a%d:00:00:00:05" % number}
        self.vms, self.gre_site, self.vlan_site = {}, None, None

    has_gre = has_vlan = True  # where the scene builds such sites at all
    subnet, gateway_subnet = "10.0.0.0/24", "10.0.255.0/28"
    router_address = "10.0.0.1"
    vm_addresses = {"vm1": "10.0.0.4", "vm2": "10.0.0.5"}
    vm_hosts = {"vm1": "h1", "vm2": "h2"}
    gre_lan, vlan_lan = "10.1.0.0/24", "10.2.0.0/24"
    gre_machine, vlan_machine = "10.1.0.10", "10.2.0.10"
    vlan_gateway, vlan_router = "10.127.134.1", "10.127.134.2"

    def ends(self):
        """(namespace, address) of every machine of this tenant."""
        return [(vm.ns, vm.addresses[0]) for vm in self.vms.values()] + [
            (s.lan_ns, s.addresses[0]) for s in (self.gre_site, self.vlan_site) if s]

    def pairs(self):
        """What must work: each VM with each site, both directions."""
        vms = [(vm.ns, vm.addresses[0]) for vm in self.vms.values()]
        sites = [(s.lan_ns, s.addresses[0]) for s in (self.gre_site, self.vlan_site) if s]
        return [(*a, *b) for v in vms for s in sites for a, b in ((v, s), (s, v))]


def two_tenants():
    return [Tenant(1, "contoso", 1234, 1001, "198.51.100.10"), Tenant(2, "fabrikam", 5678, 1002, "198.51.100.11")]


HOST_PAS = {"h1": "10.64.0.11", "h2": "10.64.0.12"}


class Scene:
    """The fabric with hosts, machines and sites of the tenants, and a namespace for the gateway."""

    def __init__(self, tenants=None, keep_files=False, gre=True, vlan=True):
        self.tenants = tenants or two_tenants()
        self.fabric = Fabric(keep_files)
        self.net = self.fabric.net
        try:
            self._build(gre, vlan)
        except BaseException:
            self.close()
            raise

    def _build(self, gre, vlan):
        self.hosts = {name: self.fabric.host(name, pa) for name, pa in HOST_PAS.items()}
        self.gateway_ns = self.fabric.gateway_namespace()
        self.trunk = self.fabric.trunk(self.gateway_ns)
        for t in self.tenants:
            if gre and t.has_gre:
                t.gre_site = self.fabric.gre_site("site-%c" % (96 + t.number), t.site_address, [t.gre_machine + "/24"])
            if vlan and t.has_vlan:
                t.vlan_site = self.trunk.site("vlan-%c" % (96 + t.number), t.vlan, t.vlan_router + "/29", [t.vlan_machine + "/32"])
                t.vlan_site.route(t.vlan_gateway, "10.0.0.0/16")

    def connect_machines(self, t, vni):
        """The tenant's virtual subnet on every host, and its machines on theirs; once."""
        if t.vms:
            return
        t.vni = vni
        for host in self.hosts.values():
            host.router(t.name).subnet(vni, [t.router_address + "/24"])
        for vm, address in t.vm_addresses.items():
            router = self.hosts[t.vm_hosts[vm]].router(t.name)
            t.vms[vm] = router.vm(vm, vni, t.vm_macs[vm], [address + "/24"], [t.router_address])

    def tenant(self, name):
        return next(t for t in self.tenants if t.name == name)

    def unreachable(self, count=2):
        """Pairs that should talk and do not: empty is well. The first packets may resolve next hops."""
        bad = []
        for t in self.tenants:
            for from_ns, _, _, to_addr in t.pairs():
                if not ping(from_ns, to_addr, count):
                    bad.append("%s: %s -> %s" % (t.name, from_ns.name, to_addr))
        return bad

    def close(self):
        self.fabric.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
