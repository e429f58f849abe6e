# SPDX-License-Identifier: Apache-2.0
"""BGP through the whole product: controller, agent, isthmus-bgp, forwarder; the sites run BIRD.

   vm1, vm2 --VXLAN--.                         .--GRE--- site-a-lan  BIRD 14.1.20.1, AS 64522, 10.1.0.0/24
                      gateway, AS 64510       /
   routerIP in the tenant's gateway subnet --<
                                              `--VLAN--- vlan-a      BIRD 14.1.30.1, AS 64523, 10.2.0.10/32

and the same again, with the same addresses and AS numbers, for the other tenant. A site knows one
address of the gateway's, the routerIP; all else it must learn. The connections' only static routes
are the peers' own addresses; hosts have their routes to the sites from the controller alone.
"""

import wanted
from bgp import Bird, View, fib_routes
from controlled import ControlledLab
from localapi import LocalApi, ip_text
from net import wait_for

AS = 64510
PEER_GRE, AS_GRE = "14.1.20.1", 64522
PEER_VLAN, AS_VLAN = "14.1.30.1", 64523
TUNNEL_ROUTER = "192.0.0.8"  # of site_ends.GreSite: what the machine behind the tunnel has as next hop


class BgpLab(ControlledLab):
    def __init__(self, peer_options=None, **scene):
        self.peer_options, self.birds, self.vrfs = peer_options or {}, {}, {}
        super().__init__(**scene)

    # -- what is PUT

    def peers(self, t):
        """(name, address, AS) of the tenant's sites."""
        return ([("SiteGre", PEER_GRE, AS_GRE)] if t.gre_site else []) + ([("SiteVlan", PEER_VLAN, AS_VLAN)] if t.vlan_site else [])

    def router(self, t):
        peers = [{"resourceId": name, "properties": {"peerIPAddress": address, "extAsNumber": "0.%d" % asn, "policyMapIn": None,
                                                    "policyMapOut": None, **self.peer_options}} for name, address, asn in self.peers(t)]
        return {"isEnabled": "true", "requireIGPSync": "true", "extAsNumber": "0.%d" % AS, "routerIP": [], "bgpNetworks": [],
                "isGenerated": False, "bgpPeers": peers}

    def wanted_tenant(self, t):
        """wanted.tenant(), with a BGP router in place of the static routes to the sites."""
        for path, properties in wanted.tenant(t):
            if path.startswith("virtualGateways/"):
                properties = {**properties, "bgpRouters": [{"resourceId": "Router1", "properties": self.router(t)}]}
                for connection in properties["networkConnections"]:
                    peer = PEER_GRE if connection["resourceId"] == "GreGW" else PEER_VLAN
                    next_hop = {"nextHop": t.vlan_router} if peer == PEER_VLAN else {}
                    connection["properties"]["routes"] = [{"destinationPrefix": peer + "/32", "metric": 10, **next_hop}]
            yield path, properties

    def put_tenant(self, t):
        for path, properties in self.wanted_tenant(t):
            self.nc.put(path, properties)
        self.learn_sites(t)

    def _site_prefixes(self, t):  # what the hosts must have been told
        return {address + "/32" for _, address, _ in self.peers(t)}

    # -- the gateway

    def start_gateway(self, bgp=True):
        super().start_gateway(bgp)

    def view(self):
        return View(LocalApi(self.gateway.bgp_socket))

    def vrf(self, t):
        """Its number on every gateway, for good."""
        if t.name not in self.vrfs:
            with self.gateway.api() as api:
                self.vrfs[t.name] = next(v.vrf for v in api.dump("vrf") if v.name == t.name.encode())
        return self.vrfs[t.name]

    def fib(self, t):
        with self.gateway.api() as api:
            return fib_routes(api, self.vrf(t))

    def router_ip(self, t):
        path = "virtualGateways/%s/bgpRouters/Router1" % t.name
        return wait_for(lambda: self.nc.get(path)["properties"]["routerIP"], 10, path + " has its address")[0]

    def peer_state(self, t, address):
        with self.view().api as api:
            states = api.dump("bgp_peer_state")
        return next((s for s in states if s.vrf == self.vrf(t) and ip_text(s.address) == address), None)

    # -- the sites

    def start_bird(self, t, site, peer, asn, protocols="", extra=""):
        """BIRD at a site: it has a route to the routerIP, and announces what it is told to."""
        router = self.router_ip(t)
        bird = Bird(self.net, site.lan_ns, "bird-%s-%s" % (t.name, site.name), """
router id %(peer)s;
protocol kernel { learn; ipv4 { import all; export filter { krt_prefsrc = %(source)s; accept; }; }; }
%(protocols)s
protocol bgp isthmus { local %(peer)s as %(asn)d; neighbor %(router)s as %(gateway_as)d; multihop; graceful restart on;
  connect retry time 1; connect delay time 1; error wait time 1, 2; %(extra)s
  ipv4 { import all; export where source ~ [RTS_STATIC]; }; }
""" % {"peer": peer, "source": site.addresses[0], "asn": asn, "router": router, "gateway_as": AS, "protocols": protocols, "extra": extra})
        self.birds[t.name, site.name] = bird
        return bird

    def start_gre_bird(self, t, protocols="", **more):
        ns = t.gre_site.lan_ns
        ns.ip("addr add %s/32 dev lo" % PEER_GRE, "route del default",
              "route add %s via %s dev lan0 onlink src %s mtu 1472" % (self.router_ip(t), TUNNEL_ROUTER, PEER_GRE))
        own = 'protocol static lan { ipv4; route %s via "lan0"; }' % t.gre_lan
        return self.start_bird(t, t.gre_site, PEER_GRE, AS_GRE, own + protocols, **more)

    def start_vlan_bird(self, t, **more):
        site = t.vlan_site
        site.ns.ip("addr add %s/32 dev lo" % PEER_VLAN, "route del 10.0.0.0/16",
                   "route add %s via %s dev %s src %s" % (self.router_ip(t), t.vlan_gateway, site.device, PEER_VLAN))
        own = 'protocol static lan { ipv4; route %s/32 via "lo"; }' % t.vlan_machine
        return self.start_bird(t, site, PEER_VLAN, AS_VLAN, own, **more)

    def start_sites(self, t):
        if t.gre_site:
            self.start_gre_bird(t)
        if t.vlan_site:
            self.start_vlan_bird(t)

    # -- the hosts

    def site_prefixes(self, t):
        """What the sites announce."""
        return ({t.gre_lan} if t.gre_site else set()) | ({t.vlan_machine + "/32"} if t.vlan_site else set())

    def hosts_know(self, t):
        """Whether the hosts have been told what the sites announce."""
        return self.site_prefixes(t) <= set(self.hosts.applied[t.name])


def bgp_lab(kind=BgpLab, **options):
    """All of it up and learnt."""
    lab = kind(**options)
    try:
        lab.put_provider()
        lab.start_gateway()
        for t in lab.tenants:
            lab.put_tenant(t)
        lab.wait_hosts()
        lab.follow()
        for t in lab.tenants:
            lab.start_sites(t)
    except BaseException:
        lab.close()
        raise
    return lab


def wait_learnt(lab):
    """Every site's session is up, its prefix in the forwarder and at the hosts."""
    for t in lab.tenants:
        sites = lab.site_prefixes(t)
        wait_for(lambda: set(lab.fib(t)) == sites and lab.hosts_know(t), 30, "%s: %s in the forwarder; peers %s; %s" % (
            t.name, sites, [(p, getattr(lab.peer_state(t, p), "last_error", None)) for _, p, _ in lab.peers(t)], lab.gateway.bgp.output()))


