# SPDX-License-Identifier: Apache-2.0
"""The whole product in the lab: controller, gateway with agent and forwarder, hosts that follow.

   ctl 10.63.0.1 --- mgmt --- 10.63.0.21 gw      the rest as in scene.py and fabric.py

Everything about the gateway comes from PUTs to the controller, everything about the hosts from its
host routes.
"""

import contextlib
import json
import threading

import wanted
from gateway import Gateway
from host_routes import HostRoutes
from injections import Facts
from nc import NetworkController
from net import program, run, wait_for
from scene import Scene
from supervisor import Supervisor

CONTROLLER, GATEWAY_MGMT = "10.63.0.1", "10.63.0.21"


class ControlledLab:
    def __init__(self, keep_files=False, **scene):
        self.scene = Scene(keep_files=keep_files, **scene)
        self.net, self.tenants = self.scene.net, self.scene.tenants
        self.follower, self.ended = None, threading.Event()
        try:
            self._management()
            self._start_controller()
        except BaseException:
            self.close()
            raise

    # -- the controller

    def _management(self):
        fabric = self.scene.fabric
        self.ctl_ns = self.net.namespace("ctl")
        for ns, address in ((self.ctl_ns, CONTROLLER), (self.scene.gateway_ns, GATEWAY_MGMT)):
            self.net.plug(fabric.switch, "mgmt", ns, "mgmt0")
            ns.ip("addr add %s/24 dev mgmt0" % address)

    def _start_controller(self):
        self.ctl = Supervisor(self.net, "ctl")
        self.pki = self.ctl.dir / "etc" / "isthmus"
        run([program("isthmus-controller"), "bootstrap", "--dir", self.pki, "--name", CONTROLLER])
        self.controller = self.ctl.start("isthmus-controller", self.ctl_ns)
        self.nc = self.client()
        wait_for(self._api_answers, 20, "the controller serves its API")
        self.hosts = HostRoutes(self.scene, wanted.network)

    def client(self):
        return NetworkController(self.ctl_ns, CONTROLLER, 443, self.pki / "ca.pem",
                                 certificate=(self.pki / "admin.pem", self.pki / "admin-key.pem"))

    def _api_answers(self):
        try:
            return self.nc.request("GET", "credentials")[0] == 200
        except OSError:
            return False

    def _cli_argv(self, *words):
        return [program("isthmus"), *words, "--server", "https://%s" % CONTROLLER, "--cacert", self.pki / "ca.pem",
                "--cert", self.pki / "admin.pem", "--key", self.pki / "admin-key.pem"]

    def cli(self, *words):
        return self.ctl_ns.run(self._cli_argv(*words)).stdout

    def cli_words(self):
        return " ".join(["ip netns exec", self.ctl_ns.full, *map(str, self._cli_argv())])

    def gw_words(self):
        return "%s gw --socket %s" % (program("isthmus"), self.gateway.socket)

    # -- the gateway

    def start_gateway(self, bgp=False, ike=False):
        """The forwarder, perhaps isthmus-bgp and isthmus-ike, and an agent that joins with a single-use token."""
        self.gateway = Gateway(self.net, self.scene.gateway_ns)
        self.gateway.start_forwarder()
        if bgp:
            self.gateway.start_bgp()
        if ike:
            self.gateway.start_ike()
        self.gateway.netns_dir.mkdir(exist_ok=True)
        etc = self.gateway.supervisor.dir / "etc" / "isthmus"
        etc.mkdir(parents=True, exist_ok=True)
        token = run([program("isthmus-controller"), "token", "--dir", self.pki]).stdout
        (etc / "token").write_text(token)
        (etc / "agent.conf").write_text("\n".join([
            "controller https://%s:8443" % CONTROLLER, "name " + wanted.GATEWAY, "token-file %s/token" % etc,
            "certificates %s/pki" % etc, "directory %s/lib/isthmus" % self.gateway.supervisor.dir,
            "forwarder %s" % self.gateway.socket, "socket %s/run/isthmus/agent.sock" % self.gateway.supervisor.dir,
            "netns-directory %s" % self.gateway.netns_dir, "number 1", *(["bgp %s" % self.gateway.bgp_socket] if bgp else []),
            *(["ike %s" % self.gateway.ike_socket] if ike else []), ""]))
        (etc / "pki").mkdir(mode=0o700)
        self.gateway.agent = self.gateway.supervisor.start("isthmus-agent", self.scene.gateway_ns)
        wait_for(lambda: self.gateway_state() == "Active", 20, "the gateway has joined", step=0.05)

    def gateway_state(self):
        """Active once it lives; Passive before it was heard of."""
        return self.nc.get("gateways/" + wanted.GATEWAY)["properties"].get("state")

    def gateway_state_or_none(self):
        """None while the controller does not answer."""
        try:
            return self.gateway_state()
        except OSError:
            return None

    # -- tenants

    def put_provider(self):
        for path, properties in wanted.provider():
            self.nc.put(path, properties, wait=False)

    def put_tenant(self, t):
        for path, properties in wanted.tenant(t):
            self.nc.put(path, properties)
        self.learn_sites(t)

    def learn_sites(self, t):
        """What the tenant would be told: the address its site's tunnel goes to."""
        if t.gre_site:
            t.gre_site.tunnel(self.gre_vip(t), t.gre_key)

    def gre_vip(self, t):
        connection = "virtualGateways/%s/networkConnections/GreGW" % t.name
        return wait_for(lambda: self.nc.get(connection)["properties"].get("sourceIPAddress"), 10, connection + " has its source address")

    # -- the hosts

    def host_rows(self):
        return json.loads(self.cli("get", "hostroutes", "-o", "json"))["value"]

    def apply_hosts(self):
        self.hosts.apply(self.host_rows())

    def wait_hosts(self):
        """Every tenant's machines are on, and their routes to the sites are there."""
        def complete():
            self.apply_hosts()
            return all(t.vms and self._site_prefixes(t) <= set(self.hosts.applied[t.name]) for t in self.tenants)
        wait_for(complete, 20, "host routes of every tenant", step=0.1)

    def follow(self):
        """From now on the hosts follow the controller's host routes, as a host agent does."""
        self.hosts_client = self.client()
        def run_on():
            while not self.ended.wait(0.1):
                with contextlib.suppress(Exception):
                    self.hosts.apply(self.hosts_client.get("hostRoutes")["value"])
        self.follower = threading.Thread(target=run_on, daemon=True)
        self.follower.start()

    @staticmethod
    def _site_prefixes(t):
        return ({t.gre_lan} if t.gre_site else set()) | ({t.vlan_lan} if t.vlan_site else set())

    def facts(self, t):
        vni, _, mac, pa = self.hosts.applied[t.name][t.gre_lan]
        return Facts(mac, vni, pa, self.gre_vip(t))

    def close(self):
        self.ended.set()
        if self.follower:
            self.follower.join(5)
        self.scene.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def whole_lab(**options):
    """All of it up and converged: provider, gateway, both tenants, hosts."""
    lab = ControlledLab(**options)
    try:
        lab.put_provider()
        lab.start_gateway()
        for t in lab.tenants:
            lab.put_tenant(t)
        lab.wait_hosts()
    except BaseException:
        lab.close()
        raise
    return lab
