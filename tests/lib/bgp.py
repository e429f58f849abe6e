# SPDX-License-Identifier: Apache-2.0
"""isthmus-bgp under test: stands for the agent (sockets from namespaces) and keeps a forwarder.

    with Net() as net:
        speaker = Speaker(net)
        speaker.tenant(7, ns, "10.0.0.1")
        speaker.router(7, 64512, "10.0.0.1")
        speaker.peer(7, "10.0.0.2", 65001)
        speaker.wait_established(7, "10.0.0.2")
"""

import socket
import threading

from localapi import LocalApi, constants, ip, ip_text, prefix, prefix_text
from net import BUILD, program, wait_for

ESTABLISHED = constants["API_BGP_ESTABLISHED"]
FLAG = {name[13:].lower(): value for name, value in constants.items() if name.startswith("API_BGP_PEER_")}


def _socket(ns, local, listen):
    family = socket.AF_INET6 if ":" in local else socket.AF_INET
    with ns.entered():
        sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((local, 179 if listen else 0))
    if listen:
        sock.listen(64)
    sock.setblocking(False)
    return sock


class View:
    """What isthmus-bgp says on its socket: `api` is a LocalApi."""

    def __init__(self, api):
        self.api = api

    def output(self):
        return ""

    def state(self, vrf, address, slot=1):
        for s in self.api.dump("bgp_peer_state"):
            if s.vrf == vrf and s.slot == slot and ip_text(s.address) == address:
                return s
        return None

    def wait_established(self, vrf, address, seconds=15, slot=1):
        def established():
            s = self.state(vrf, address, slot)
            return s if s and s.state == ESTABLISHED else None
        try:
            return wait_for(established, seconds, "session of vrf %d with %s" % (vrf, address))
        except AssertionError as error:
            raise AssertionError("%s\n%s\n%s" % (error, self.state(vrf, address, slot), self.output())) from None

    def routes(self, vrf, view="BEST", peer=None):
        """{prefix: route}."""
        filters = {"vrf": vrf, "view": constants["API_BGP_VIEW_" + view]}
        if peer:
            filters["peer"] = ip(peer)
        return {prefix_text(r.prefix): r for r in self.api.dump("bgp_route", **filters)}


def fib_routes(api, vrf):
    """{prefix: sorted next hops} of BGP as the forwarder behind `api` holds them."""
    routes = [r for r in api.dump("route", vrf=vrf, source=constants["API_ROUTE_BGP"])
              if r.vrf == vrf and r.source == constants["API_ROUTE_BGP"]]
    return {prefix_text(r.prefix): sorted(ip_text(r.path[i].via) for i in range(r.path_count)) for r in routes}


class Speaker(View):
    def __init__(self, net, forwarder="fake", name="bgp"):
        self.net, self.name = net, name
        self.path = net.dir / (name + ".sock")
        self.forwarder_path = net.dir / (name + "-forwarder.sock")
        self.tenants = {}
        self.forwarder = None
        if forwarder == "fake":
            self.forwarder = net.spawn(name + "-forwarder", [BUILD / "tests/agent/fake-forwarder", self.forwarder_path])
            self.fib = wait_for(lambda: self._connect(self.forwarder_path), what="the forwarder's socket")
        self.objects = []  # what was set, in order: told again after a restart
        self.process = self.feeder = None
        super().__init__(None)
        self.start()
        net.on_close(self.stop)

    @staticmethod
    def _connect(path):
        try:
            return LocalApi(path)
        except OSError:
            return None

    def start(self):
        argv = [program("isthmus-bgp"), "--socket", self.path]
        if self.forwarder:
            argv += ["--forwarder", self.forwarder_path]
        self.process = self.net.spawn(self.name, argv)
        self.api = wait_for(lambda: self._connect(self.path), what="isthmus-bgp's socket")
        events = LocalApi(self.path, timeout=None)
        events.subscribe("bgp_socket")
        self.feeder = threading.Thread(target=self._feed, args=(events,), daemon=True)
        self.feeder.start()
        for vrf, (ns, addresses) in self.tenants.items():
            for address in addresses:
                self._listen(vrf, ns, address)
        for word, obj in self.objects:
            self.api.set(word, obj)

    def stop(self):
        self.process.stop()

    def crash_and_restart(self):
        self.process.kill()
        self.process.proc.wait(5)
        self.api.close()
        self.start()

    def _feed(self, events):
        """The agent's part: a socket of the tenant's namespace for every dial."""
        try:
            while True:
                want = events.wait_event("bgp_socket")
                ns, addresses = self.tenants[want.vrf]
                local = ip_text(want.local) or addresses[0]
                sock = _socket(ns, local, False)
                events.set("bgp_socket", want, fd=sock.fileno())
                sock.close()
        except OSError:
            pass

    def _listen(self, vrf, ns, address):
        sock = _socket(ns, address, True)
        self.api.set("bgp_socket", vrf=vrf, kind=constants["API_BGP_SOCKET_LISTEN"], local=ip(address), fd=sock.fileno())
        sock.close()

    def tenant(self, vrf, ns, *addresses):
        self.tenants[vrf] = (ns, addresses)
        for address in addresses:
            self._listen(vrf, ns, address)

    def listen(self, vrf, address):
        """One address more of the tenant's."""
        ns, addresses = self.tenants[vrf]
        self.tenants[vrf] = (ns, (*addresses, address))
        self._listen(vrf, ns, address)

    def set(self, word, **fields):
        obj = LocalApi.make(word, **fields)
        self.objects = [(w, o) for w, o in self.objects if w != word or bytes(o) != bytes(obj)] + [(word, obj)]
        self.api.set(word, obj)

    def router(self, vrf, asn, *addresses, slot=1, **fields):
        router = LocalApi.make("bgp_router", vrf=vrf, slot=slot, asn=asn)
        router.router_id = int.from_bytes(socket.inet_aton(addresses[0]), "big")
        for i, address in enumerate(addresses):
            router.address[i] = ip(address)
        for name, value in fields.items():
            setattr(router, name, value)
        self.objects.append(("bgp_router", router))
        self.api.set("bgp_router", router)

    def peer(self, vrf, address, asn, *flags, slot=1, **fields):
        self.objects = [(w, o) for w, o in self.objects
                        if w != "bgp_peer" or (o.vrf, o.slot, bytes(o.address)) != (vrf, slot, bytes(ip(address)))]
        self.set("bgp_peer", vrf=vrf, slot=slot, address=ip(address), asn=asn,
                 flags=sum(FLAG[f] for f in flags), **{"connect_retry_s": 1, **fields})

    def network(self, vrf, text, slot=1, kind="API_BGP_NETWORK", **fields):
        self.set("bgp_network", vrf=vrf, slot=slot, prefix=prefix(text), kind=constants[kind], **fields)

    def policy(self, vrf, name, *lines):
        """Lines: (entry, property word, fields)."""
        cls = LocalApi.make("bgp_policy_line").__class__
        head = LocalApi.make("bgp_policy", vrf=vrf, name=name.encode(), line_count=len(lines))
        body = b""
        for entry, word, fields in lines:
            line = cls(entry=entry, property=constants["API_BGP_" + word])
            for i, value in enumerate(fields.get("v", [])):
                line.v[i] = value
            if "prefix" in fields:
                line.prefix = prefix(fields["prefix"])
            line.text = fields.get("text", "").encode()
            body += bytes(line)
        raw = bytes(head) + body
        self.objects.append(("bgp_policy", raw))
        self.api.set("bgp_policy", raw)

    def output(self):
        return self.process.output()

    def fib_routes(self, vrf):
        """{prefix: sorted next hops} as the forwarder holds them."""
        return fib_routes(self.fib, vrf)


class Bird:
    """BIRD 2 in a namespace."""

    def __init__(self, net, ns, name, config):
        self.net, self.ns = net, ns
        self.conf, self.ctl = net.dir / (name + ".conf"), net.dir / (name + ".ctl")
        self.write(config)
        self.process = net.spawn(name, ["bird", "-f", "-c", self.conf, "-s", self.ctl, "-P", net.dir / (name + ".pid")], ns)
        wait_for(lambda: self.ctl.exists() or not self.process.alive(), what="BIRD's control socket")
        assert self.process.alive(), self.process.output()

    def write(self, config):
        self.conf.write_text("log stderr all;\nprotocol device {}\n" + config)

    def reconfigure(self, config):
        self.write(config)
        self.ctl_run("configure")

    def ctl_run(self, *words):
        return self.ns.run(["birdc", "-s", self.ctl, *words]).stdout

    def routes(self, table="master4", extra=()):
        """{prefix: text of its routes}"""
        out, at = {}, None
        for line in self.ctl_run("show", "route", "table", table, "all", *extra).splitlines():
            if line[:1].isalnum() and "/" in line.split()[0]:
                at = line.split()[0]
            if at:
                out[at] = out.get(at, "") + line + "\n"
        return out


def speaker_beside(net, site_addresses, **router):
    """A speaker with tenant 7's router at 10.0.0.1, AS 64512, and a site on its link with these addresses."""
    tenant, site = net.namespace("tenant"), net.namespace("site")
    net.link(tenant, "eth0", site, "eth0", mtu=1500)
    tenant.ip("addr add 10.0.0.1/24 dev eth0")
    site.ip(*["addr add %s/24 dev eth0" % a for a in site_addresses])
    speaker = Speaker(net)
    speaker.tenant(7, tenant, "10.0.0.1")
    speaker.router(7, 64512, "10.0.0.1", **router)
    return speaker, site
