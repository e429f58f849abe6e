# SPDX-License-Identifier: Apache-2.0
"""Virtualisation hosts: the kernel's VXLAN devices with static entries, a router for each tenant.

      vm namespace ---- br<vni> [10.0.0.1, 02:60:..:fe]  <tenant's router on this host>
                        |  vx<vni>: frames to VMs on other hosts, MAC -> PA
                        `- vx<gateway vni>: routes to sites, next hop = gateway's MAC -> slot's PA
                                   |
                            ul0 (the host's PA)

The kernel has no VRF, so each tenant's router is a namespace of its own; its VXLAN devices keep
their outer side in the host's namespace. Nothing is learnt from frames: entries come from the
caller, who has them from the controller.
"""

ROUTER_MAC = "02:60:00:00:00:fe"


class Host:
    def __init__(self, net, name, pa, gateway, plug):
        self.net, self.name, self.pa = net, name, pa.split("/")[0]
        self.ns = net.namespace(name)
        plug(self.ns, "ul0")
        self.ns.ip("addr add %s dev ul0" % pa, "route add default via %s" % gateway)
        self.routers = {}

    def router(self, tenant):
        if tenant not in self.routers:
            self.routers[tenant] = TenantRouter(self, tenant)
        return self.routers[tenant]


class TenantRouter:
    """A tenant's share of one host."""

    def __init__(self, host, tenant):
        self.host, self.tenant = host, tenant
        self.ns = host.net.namespace("%s-%s" % (host.name, tenant))
        self.ns.sysctl("net/ipv4/ip_forward", 1)
        self.ns.sysctl("net/ipv6/conf/all/forwarding", 1)
        self.vnis = set()

    def _vxlan(self, vni):
        name = "vx%d" % vni
        self.host.ns.ip("link add %s mtu 1550 type vxlan id %d local %s dstport 4789 nolearning proxy" % (name, vni, self.host.pa),
                        "link set %s netns %s" % (name, self.ns.full))
        self.vnis.add(vni)
        return name

    def subnet(self, vni, router_addresses):
        """A virtual subnet with VMs here: a bridge that is their default gateway."""
        if vni in self.vnis:
            return
        vx, br = self._vxlan(vni), "br%d" % vni
        self.ns.ip("link add %s address %s mtu 1500 type bridge forward_delay 0 mcast_snooping 0" % (br, ROUTER_MAC),
                   "link set %s up" % br, "link set %s master %s" % (vx, br), "link set %s up" % vx,
                   *["addr add %s dev %s" % (a, br) for a in router_addresses])

    def gateway_subnet(self, vni):
        """Where the tenant's gateways are: no VM, frames to them only."""
        if vni in self.vnis:
            return
        self.ns.ip("link set %s up address %s mtu 1500" % (self._vxlan(vni), ROUTER_MAC))

    def remote_vm(self, vni, address, mac, pa):
        """A VM on another host: its ARP is answered here, its frames go to that host."""
        dev = "vx%d" % vni
        self.ns.ip("neigh replace %s lladdr %s dev %s nud permanent" % (address, mac, dev))
        self.fdb(vni, mac, pa)

    def fdb(self, vni, mac, pa):
        self.ns.run(["bridge", "fdb", "replace", mac, "dev", "vx%d" % vni, "dst", pa, "self", "permanent"])

    def forget_vm(self, vni, address, mac):
        """The VM is here now, or nowhere."""
        self.ns.run(["ip", "neigh", "del", address, "dev", "vx%d" % vni], check=False)
        self.ns.run(["bridge", "fdb", "del", mac, "dev", "vx%d" % vni, "self"], check=False)

    def route(self, prefix, vni, next_hop, mac, pa):
        """A site's prefix: through the gateway with this address and MAC at this PA."""
        dev = "vx%d" % vni
        self.fdb(vni, mac, pa)
        self.ns.ip("neigh replace %s lladdr %s dev %s nud permanent" % (next_hop, mac, dev),
                   "route replace %s via %s dev %s onlink" % (prefix, next_hop, dev))

    def unroute(self, prefix):
        self.ns.run(["ip", "-6" if ":" in prefix else "-4", "route", "del", prefix], check=False)

    def vm(self, name, vni, mac, addresses, gateways):
        """A new machine on this host."""
        machine = Vm(self.host.net, "%s-%s" % (self.tenant, name), mac, addresses)
        machine.attach(self, vni)
        machine.default_routes(gateways)
        return machine


class Vm:
    """A virtual machine. Its network card is a bridge port of its own, so that it can move host:
    it is attached at the new one before it leaves the old one."""

    def __init__(self, net, name, mac, addresses):
        self.net, self.mac, self.addresses = net, mac, [a.split("/")[0] for a in addresses]
        self.ns = net.namespace(name)
        self.ns.ip("link add eth0 address %s mtu 1500 type bridge forward_delay 0 mcast_snooping 0" % mac, "link set eth0 up",
                   *["addr add %s dev eth0" % a for a in addresses])
        self.cables, self.count = {}, 0

    def default_routes(self, gateways):
        self.ns.ip(*["route add default via %s" % g for g in gateways])

    def attach(self, router, vni):
        self.count += 1
        cable, port = "up%d" % self.count, "%s.%d" % (self.ns.name[-10:], self.count)
        self.net.link(self.ns, cable, router.ns, port, mtu=1500)
        router.ns.ip("link set %s master br%d" % (port, vni))
        self.ns.ip("link set %s master eth0" % cable, "link set %s type bridge_slave isolated on" % cable)
        self.cables[router.host.name] = cable
        self.ns.run(["bridge", "fdb", "replace", ROUTER_MAC, "dev", cable, "master", "static"])

    def detach(self, host):
        self.ns.ip("link del " + self.cables.pop(host.name))
