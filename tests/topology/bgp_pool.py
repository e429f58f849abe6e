# SPDX-License-Identifier: Apache-2.0
"""bgp_lab.py's tenants on several gateways: one pool with redundant ones, or two pools of one gateway each.

   site-a-lan  BIRD --GRE---- gw1 (pool gre)     .-- isthmus-bgp in each; the tenant's home slot is the
                               |  overlay       <    reflector, the other slot its iBGP client
   vlan-a      BIRD --VLAN--- gw2 (pool vlan)    `-- hosts send to each slot what was learnt behind it
"""

import contextlib
import threading

import wanted
from bgp import View, fib_routes
from bgp_lab import PEER_GRE, PEER_VLAN, BgpLab
from localapi import LocalApi, constants, ip_text
from net import wait_for
from pool import PoolLab

ESTABLISHED = constants["API_BGP_ESTABLISHED"]
REFLECTOR = constants["API_BGP_ROUTER_REFLECTOR"]
POOLS = {"gre": "S2sGre", "vlan": "Forwarding"}


class BgpPoolLab(BgpLab, PoolLab):
    """One pool."""

    with_bgp = True

    def vrf(self, t):
        if t.name not in self.vrfs:
            for member in self.members:
                with member.gateway.api() as api:
                    for v in api.dump("vrf"):
                        if v.name == t.name.encode():
                            self.vrfs[t.name] = v.vrf
        return self.vrfs[t.name]

    def fib(self, t, member):
        with member.gateway.api() as api:
            return fib_routes(api, self.vrf(t))

    @contextlib.contextmanager
    def speaker(self, member):
        with LocalApi(member.gateway.bgp_socket) as api:
            yield View(api)

    def dump(self, member, word):
        """What its isthmus-bgp has; nothing while it is off."""
        try:
            with self.speaker(member) as view:
                return view.api.dump(word)
        except OSError:
            return []

    def reflectors(self, t):
        """Every isthmus-bgp that is the tenant's reflector now: [(member, address)]."""
        return [(m, ip_text(r.address[0])) for m in self.members for r in self.dump(m, "bgp_router")
                if r.vrf == self.vrf(t) and r.flags & REFLECTOR]

    def sessions(self, t, member):
        """{peer's address: state} of the tenant's sessions there."""
        return {ip_text(s.address): s for s in self.dump(member, "bgp_peer_state") if s.vrf == self.vrf(t)}

    def established(self, t, member):
        return {a for a, s in self.sessions(t, member).items() if s.state == ESTABLISHED}

    def learnt(self, t, members=None):
        """Whether the forwarders and the hosts know what both sites announce."""
        sites = self.site_prefixes(t)
        return all(set(self.fib(t, m)) == sites for m in members or self.members) and self.hosts_know(t)

    def start_sites_and_learn(self):
        for t in self.tenants:
            self.start_sites(t)

    def told(self):
        """For failures: every session of every gateway, in words."""
        return "\n".join("%s vrf %d %s state %d %s" % (m.name, s.vrf, ip_text(s.address), s.state, s.last_error.decode())
                         for m in self.members for s in self.dump(m, "bgp_peer_state"))


class TwoPoolsLab(BgpPoolLab):
    """A pool for GRE and one for VLANs, one gateway in each; the tenants use both."""

    def __init__(self, **options):
        super().__init__(gateways=0, redundant=0, **options)

    def _pool(self, gateways):
        for path, properties in wanted.provider_networks(0):
            if not path.startswith("gatewayPools/"):
                self.nc.put(path, properties, wait=False)
                continue
            for name, kind in POOLS.items():
                self.nc.put("gatewayPools/" + name, {**properties, "type": kind}, wait=False)
        for number, (name, kind) in enumerate(POOLS.items(), 1):
            self.add_gateway(number, name, kind)
        self.wait_roles(len(POOLS))
        for t in self.tenants:
            self.put_tenant(t)
        self.wait_hosts()
        self.follow()

    def wanted_tenant(self, t):
        for path, properties in super().wanted_tenant(t):
            if path.startswith("virtualGateways/"):
                properties = {**properties, "gatewayPools": [wanted.ref("/gatewayPools/" + p) for p in POOLS]}
            yield path, properties

    def home_and_other(self, t):
        """(the reflector's gateway, the other)."""
        found = wait_for(lambda: self.reflectors(t), 10, "a reflector of " + t.name)
        assert len(found) == 1, found
        home = found[0][0]
        return home, next(m for m in self.members if m is not home)


class Watch:
    """What speakers were reflectors and what the sites knew, looked at again and again over a block."""

    def __init__(self, lab):
        self.lab, self.looks, self.rounds = lab, {t.name: [] for t in lab.tenants}, 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self.ended.is_set():
            for t in self.lab.tenants:
                known = {site.name: set(self.lab.birds[t.name, site.name].routes()) for site in (t.gre_site, t.vlan_site)}
                self.looks[t.name].append(([(m.name, a) for m, a in self.lab.reflectors(t)], known))
            self.rounds += 1

    def one_reflector(self, t):
        """The addresses it was seen at; fails if there ever were two."""
        seen = [reflectors for reflectors, _ in self.looks[t.name]]
        assert max(map(len, seen)) == 1, [s for s in seen if len(s) > 1]
        return {address for reflectors in seen for _, address in reflectors}

    def missing(self):
        """(tenant, site, prefixes) of every look at which a site lacked what it should know."""
        return [(t.name, site.name, want - known[site.name]) for t in self.lab.tenants
                for site, want in ((t.gre_site, {t.subnet, t.vlan_machine + "/32"}), (t.vlan_site, {t.subnet, t.gre_lan}))
                for _, known in self.looks[t.name] if want - known[site.name]]

    def __enter__(self):
        self.thread.start()
        wait_for(lambda: self.rounds > 1 or not self.thread.is_alive(), 20, "the watch runs")
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join(30)
