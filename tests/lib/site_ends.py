# SPDX-License-Identifier: Apache-2.0
"""Tenants' sites: the far ends of connections, none of them made of the gateway's own code."""

from net import wait_for
from ovs import Ovs

LAN_MAC = "02:51:00:00:00:01"
ROUTER_MAC = "02:51:00:00:00:02"


class GreSite:
    """Open vSwitch as GRE router with one tunnel (IP in GRE with a key), and one machine behind it.

        (fabric) -- ul0 [br-phy, underlay address]  site       lan0 -- machine
                            gre: key, to `remote`  [br-int] ---'
    """

    def __init__(self, net, name, underlay, underlay_gateway, lan, plug, lan_mtu=1500):
        """`lan`: the machine's addresses with prefix length; plug(ns, dev) lays the cable."""
        self.net, self.name, self.address = net, name, underlay.split("/")[0]
        self.ns = net.namespace(name)
        self.lan_ns = net.namespace(name + "-lan")
        plug(self.ns, "ul0")
        self.ns.sysctl("net/ipv6/conf/ul0/disable_ipv6", 1)
        self.ovs = Ovs(net, self.ns)
        self.ovs.bridge("br-phy", ("ul0",), mac="02:50:%02x:00:00:01" % (sum(name.encode()) % 256))
        if lan_mtu > 1500:  # an internal port that moves away is cut to 1500 bytes
            net.link(self.ns, "lan0", self.lan_ns, "lan0", mtu=lan_mtu, offload=False)
            self.ns.sysctl("net/ipv6/conf/lan0/disable_ipv6", 1)
        self.ovs.bridge("br-int", ("lan0", *([] if lan_mtu > 1500 else ["type=internal"]), "ofport_request=1"))
        self.ns.ip("addr add %s dev br-phy" % underlay, "link set br-phy up", "route add default via %s" % underlay_gateway)
        if lan_mtu <= 1500:
            self.ns.ip("link set lan0 netns " + self.lan_ns.full)
        self.lan_ns.ip("link set lan0 address %s mtu %d" % (LAN_MAC, lan_mtu), "link set lan0 up",
                       *["addr add %s dev lan0" % a for a in lan])
        self.addresses = [a.split("/")[0] for a in lan]

    def tunnel(self, remote, key=None, mtu=1500 - 28):
        """The tunnel to the gateway; everything of the machine goes into it."""
        settings = ["type=gre", "options:remote_ip=" + remote, "options:local_ip=" + self.address,
                    "options:packet_type=legacy_l3", "ofport_request=10"]
        if key is not None:
            settings.append("options:key=%d" % key)
        self.ovs.vsctl("--if-exists", "del-port", "br-int", "gre0")
        self.ovs.port("br-int", "gre0", *settings)
        to_lan = "actions=mod_dl_dst:%s,mod_dl_src:%s,output:1" % (LAN_MAC, ROUTER_MAC)
        self.ovs.flows("br-int", "in_port=10,ip," + to_lan, "in_port=10,ipv6," + to_lan, "in_port=1,ip,actions=output:10",
                       "in_port=1,ipv6,actions=output:10")
        self.lan_ns.ip(*["neigh replace %s lladdr %s dev lan0 nud permanent" % (r, ROUTER_MAC) for r in ("192.0.0.8", "fe80::8")],
                       "route replace default via 192.0.0.8 dev lan0 onlink mtu %d" % mtu,
                       "route replace default via fe80::8 dev lan0 onlink mtu %d" % mtu)


class VlanTrunk:
    """A switch with the gateway's trunk on one side and an access port for each VLAN site."""

    def __init__(self, net, name, plug):
        self.net, self.sites = net, []
        self.ns = net.namespace(name)
        plug(self.ns, "trunk")
        self.ns.sysctl("net/ipv6/conf/trunk/disable_ipv6", 1)
        self.ovs = Ovs(net, self.ns)
        self.ovs.bridge("br", ("trunk",), mac="02:52:00:00:00:01")

    def connect(self, gateway, dev):
        """One more gateway on all VLANs, as its port `dev`."""
        port = ("t-%s" % gateway.name)[-15:]
        self.net.link(gateway, dev, self.ns, port, offload=False)
        for ns, device in ((gateway, dev), (self.ns, port)):
            ns.sysctl("net/ipv6/conf/%s/disable_ipv6" % device, 1)
        self.ovs.port("br", port)

    def site(self, name, vlan, address, lan):
        return VlanSite(self, name, vlan, address, lan)


class VlanSite:
    """A router on a VLAN: `address` on the wire to the gateway, `lan` its inside addresses."""

    def __init__(self, trunk, name, vlan, address, lan):
        self.name, self.address = name, address.split("/")[0]
        self.ns = self.lan_ns = trunk.net.namespace(name)
        device = "v%d.%d" % (vlan, len(trunk.sites))
        trunk.sites.append(self)
        trunk.ovs.port("br", device, "type=internal", tag=vlan)
        wait_for(lambda: device in trunk.ns.run(["ls", "/sys/class/net"]).stdout.split(), 10, device)
        trunk.ns.ip("link set %s netns %s" % (device, self.ns.full))
        self.ns.ip("link set %s up mtu 1500" % device, "addr add %s dev %s" % (address, device), *["addr add %s dev lo" % a for a in lan])
        self.device, self.addresses = device, [a.split("/")[0] for a in lan]

    def route(self, gateway, *prefixes):
        self.ns.ip(*["route replace %s via %s dev %s src %s" % (p, gateway, self.device, self.addresses[0]) for p in prefixes])
