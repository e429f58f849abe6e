# SPDX-License-Identifier: Apache-2.0
"""The provider's network without the gateway: cables, a switch, a router, hosts, sites.

   site-a 198.51.100.10 --- internet --- router --- fabric --- h1 10.64.0.11   h2 10.64.0.12
   site-b 198.51.100.11 ---'    198.51.100.1  10.64.0.1   `--- gw up0 (no address of the kernel's)
                                              10.65.0.1 (GRE VIPs are on the fabric too)
   trunk (VLAN sites) ------------------------------------------ gw trunk0
"""

from host import Host
from net import Net
from site_ends import GreSite, VlanTrunk

HNV_ROUTER = "10.64.0.1"
GREVIP_ROUTER = "10.65.0.1"
VIP_ROUTER = "203.0.113.1"
INTERNET_ROUTER = "198.51.100.1"


class Fabric:
    def __init__(self, keep_files=False):
        self.net = Net(keep_files)
        try:
            self._build()
        except BaseException:
            self.net.close()
            raise

    def _build(self):
        net = self.net
        self.switch = net.namespace("fabric")
        net.bridge(self.switch, "underlay")
        net.bridge(self.switch, "internet")
        net.bridge(self.switch, "mgmt")
        self.router = net.namespace("router")
        self.router.sysctl("net/ipv4/ip_forward", 1)
        self.router.sysctl("net/ipv6/conf/all/forwarding", 1)
        self._plug("underlay", self.router, "fabric0")
        self._plug("internet", self.router, "inet0")
        self.router.ip("addr add %s/24 dev fabric0" % HNV_ROUTER, "addr add %s/24 dev fabric0" % GREVIP_ROUTER,
                       "addr add %s/24 dev fabric0" % VIP_ROUTER,
                       "addr add %s/24 dev inet0" % INTERNET_ROUTER)
        self.hosts, self.sites = {}, {}

    def _plug(self, bridge, ns, dev, **options):
        self.net.plug(self.switch, bridge, ns, dev, **options)

    def host(self, name, pa):
        self.hosts[name] = Host(self.net, name, pa + "/24", HNV_ROUTER, lambda ns, dev: self._plug("underlay", ns, dev))
        return self.hosts[name]

    def gateway_namespace(self, name="gw"):
        """With port up0 on the underlay; the forwarder's ports have no addresses of the kernel's."""
        ns = self.net.namespace(name)
        self._plug("underlay", ns, "up0")
        ns.sysctl("net/ipv6/conf/up0/disable_ipv6", 1)
        return ns

    def trunk(self, gateway, name="trunk"):
        def plug(ns, dev):
            self.net.link(gateway, "trunk0", ns, dev, offload=False)
            gateway.sysctl("net/ipv6/conf/trunk0/disable_ipv6", 1)
        return VlanTrunk(self.net, name, plug)

    def gre_site(self, name, address, lan):
        self.sites[name] = GreSite(self.net, name, address + "/24", INTERNET_ROUTER, lan,
                                   lambda ns, dev: self._plug("internet", ns, dev, offload=False))
        return self.sites[name]

    def close(self):
        self.net.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
