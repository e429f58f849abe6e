# SPDX-License-Identifier: Apache-2.0
"""A pool of several gateways under one controller, with tenants that join as a test wants.

   ctl 10.63.0.1 -- mgmt -- 10.63.0.21.. gw1 gw2 ..   each gateway: up0 on the underlay, trunk0 on the
                                                      VLANs' switch; the rest as in fabric.py

A gateway is lost as a machine is: all of its processes at once, and nobody starts them again until
power_on().
"""

import json
import signal

import wanted
from gateway import Gateway
from localapi import ip_text
from net import program, run, wait_for
from controlled import CONTROLLER, ControlledLab

POOL_TIMEOUT_S = 30


def gateway_name(n):
    return "GW%d" % n


class Member:
    """One gateway of the pool: its host, its services, its name in the API."""

    def __init__(self, lab, number, ns):
        self.lab, self.number, self.ns, self.name = lab, number, ns, gateway_name(number)
        self.gateway = Gateway(lab.net, ns, "gw%d" % number)

    @property
    def services(self):
        return [s for s in (self.gateway.agent, self.gateway.bgp, self.gateway.ike, self.gateway.forwarder) if s]

    def start(self):
        """The forwarder, isthmus-bgp and -ike where the lab has them, and an agent that joins with a single-use token."""
        self.gateway.start_forwarder(workers=self.lab.workers)
        more = []
        if self.lab.with_bgp:
            self.gateway.start_bgp()
            self.gateway.netns_dir.mkdir(exist_ok=True)
            more = ["bgp %s" % self.gateway.bgp_socket, "netns-directory %s" % self.gateway.netns_dir]
        if self.lab.with_ike:
            self.gateway.start_ike()
            more.append("ike %s" % self.gateway.ike_socket)
        etc = self.gateway.supervisor.dir / "etc" / "isthmus"
        (etc / "pki").mkdir(parents=True, exist_ok=True, mode=0o700)
        (etc / "token").write_text(run([program("isthmus-controller"), "token", "--dir", self.lab.pki]).stdout)
        (etc / "agent.conf").write_text("\n".join([
            "controller https://%s:8443" % CONTROLLER, "name " + self.name, "token-file %s/token" % etc,
            "certificates %s/pki" % etc, "directory %s/lib/isthmus" % self.gateway.supervisor.dir,
            "forwarder %s" % self.gateway.socket, "socket %s/run/isthmus/agent.sock" % self.gateway.supervisor.dir,
            "number %d" % self.number, *more, ""]))
        self.gateway.agent = self.gateway.supervisor.start("isthmus-agent", self.ns)

    def pids(self):
        return [s.pid for s in self.services]

    def power_off(self):
        """kill -9 of all its processes; nothing comes back by itself."""
        for service in self.services:
            with service.changed:
                service.wanted = False
        for service in self.services:
            service.kill(signal.SIGKILL)

    def power_on(self):
        for service in reversed(self.services):
            service.thread.join(10)
            service.start()

    def freeze(self):
        for service in self.services:
            service.kill(signal.SIGSTOP)

    def thaw(self):
        for service in self.services:
            service.kill(signal.SIGCONT)

    def cut(self, *devices):
        """Its cables, at the end that is not its own."""
        self._carry("down", devices)

    def mend(self, *devices):
        self._carry("up", devices)

    def _carry(self, state, devices):
        for dev in devices or ("up0", "mgmt0"):
            self.lab.scene.fabric.switch.ip("link set %s %s" % (self.switch_port(dev), state))

    def switch_port(self, dev):
        return ("%s.%s" % (self.ns.name, dev))[-15:]

    def properties(self):
        return self.lab.nc.get("gateways/" + self.name)["properties"]

    def state(self):
        """(state, healthState) as the API shows them."""
        p = self.properties()
        return p.get("state"), p.get("healthState")

    def epochs(self):
        """{slot: epoch} of what its forwarder holds active."""
        with self.gateway.api() as api:
            return {s.slot: s.epoch for s in api.dump("slot") if s.active}

    def vips(self):
        """Public addresses that its forwarder answers for."""
        try:
            with self.gateway.api() as api:
                return {ip_text(a) for s in api.dump("slot") if s.active for a in s.vip} - {""}
        except OSError:
            return set()  # it is off


class PoolLab(ControlledLab):
    with_bgp = with_ike = False
    workers = 1

    def __init__(self, gateways=2, redundant=1, keep_files=False, **scene):
        self.members, self.redundant = [], redundant
        super().__init__(keep_files=keep_files, **scene)
        try:
            self._pool(gateways)
        except BaseException:
            self.close()
            raise

    def _pool(self, gateways):
        for path, properties in wanted.provider_networks(self.redundant):
            self.nc.put(path, properties, wait=False)
        for number in range(1, gateways + 1):
            self.add_gateway(number)
        self.wait_roles(gateways - self.redundant if gateways > self.redundant else 1)
        for t in self.tenants:
            self.put_tenant(t)
        self.wait_hosts()
        self.follow()

    # -- gateways

    def add_gateway(self, number, pool=wanted.POOL, kind="All"):
        fabric = self.scene.fabric
        if number == 1:
            ns = self.scene.gateway_ns
        else:
            ns = fabric.gateway_namespace("gw%d" % number)
            self.scene.trunk.connect(ns, "trunk0")
            self.net.plug(fabric.switch, "mgmt", ns, "mgmt0")
            ns.ip("addr add 10.63.0.%d/24 dev mgmt0" % (20 + number))
        for path, properties in wanted.gateway(gateway_name(number), 20 + number, pool, kind):
            self.nc.put(path, properties, wait=False)
        member = Member(self, number, ns)
        self.members.append(member)
        member.start()
        wait_for(lambda: member.state()[1] == "Healthy", POOL_TIMEOUT_S, member.name + " is heard of", step=0.05)
        return member

    def remove_gateway(self, member):
        self.nc.delete("gateways/" + member.name)
        self.members.remove(member)

    def member(self, name):
        return next(m for m in self.members if m.name.lower() == name.lower())

    def of_state(self, state):
        return [m for m in self.members if m.state() == (state, "Healthy")]

    def wait_roles(self, active):
        """So many active, all others redundant, all healthy."""
        def so():
            return len(self.of_state("Active")) == active and \
                len(self.of_state("Redundant")) == len(self.members) - active
        wait_for(so, POOL_TIMEOUT_S, "%d active of %d" % (active, len(self.members)), step=0.05)

    def slots(self):
        return json.loads(self.cli("get", "slots", "-o", "json"))["value"]

    # -- connections

    def connections(self, t):
        return {c["resourceId"]: c["properties"]
                for c in self.nc.get("virtualGateways/" + t.name)["properties"]["networkConnections"]}

    def holder_of(self, t, connection):
        ref = (self.connections(t)[connection].get("gateway") or {}).get("resourceRef")
        return self.member(ref.split("/")[2]) if ref else None


def all_pairs(lab):
    return [p for t in lab.tenants for p in t.pairs()]


def busiest(lab):
    """The active gateway with connections."""
    return next(h for t in lab.tenants for name in lab.connections(t) for h in [lab.holder_of(t, name)] if h)


def placed(lab, but=None):
    """Every connection has a holder, and it is not `but`."""
    holders = [lab.holder_of(t, name) for t in lab.tenants for name in lab.connections(t)]
    return None not in holders and but not in holders


def everybody_is_one(lab):
    """No address is answered for by two: each slot is active in one forwarder at most."""
    held = [slot for m in lab.members for slot in m.epochs()]
    return len(held) == len(set(held))
