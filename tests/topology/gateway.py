# SPDX-License-Identifier: Apache-2.0
"""A gateway host of the lab: its services under the supervisor, its local API."""

import contextlib

from localapi import LocalApi
from net import run, wait_for
from supervisor import Supervisor


class Gateway:
    """In a namespace with the ports `up0` (index 0) and, with a trunk, `trunk0` (index 1)."""

    def __init__(self, net, ns, name="gw", ports=("up0", "trunk0")):
        self.net, self.ns, self.name, self.ports = net, ns, name, ports
        self.supervisor = Supervisor(net, name)
        self.socket = self.supervisor.dir / "run" / "isthmus" / "forwarder.sock"
        self.bgp_socket = self.socket.with_name("bgp.sock")
        self.ike_socket = self.socket.with_name("ike.sock")
        self.netns_dir = self.supervisor.dir / "run" / "netns"  # the agent's, for tenants it serves
        self.forwarder = self.agent = self.bgp = self.ike = None
        net.on_close(self._drop_namespaces)

    def start_forwarder(self, workers=1, more=""):
        ports = " ".join("--port %s=af_packet:%s" % (p, p) for p in self.ports)
        self.forwarder = self.supervisor.start("isthmus-forwarder", self.ns, ISTHMUS_WORKERS=workers,
                                               ISTHMUS_PORTS="%s --no-huge --buffers 8192 %s" % (ports, more))
        self.wait_forwarder()
        return self.forwarder

    def start_bgp(self):
        self.bgp = self.supervisor.start("isthmus-bgp", self.ns)
        self.wait_bgp()
        return self.bgp

    def wait_bgp(self):
        wait_for(lambda: self._answers(self.bgp_socket), 10, "isthmus-bgp answers on %s" % self.bgp_socket)

    def start_ike(self, **env):
        self.ike = self.supervisor.start("isthmus-ike", self.ns, **env)
        wait_for(lambda: self._answers(self.ike_socket), 15, "isthmus-ike answers on %s" % self.ike_socket)
        return self.ike

    def wait_forwarder(self):
        wait_for(lambda: self._answers(self.socket), 30, "the forwarder answers on %s" % self.socket)

    @staticmethod
    def _answers(path):
        with contextlib.suppress(OSError):
            LocalApi(path).close()
            return True
        return False

    def _drop_namespaces(self):
        if self.netns_dir.exists():
            for path in self.netns_dir.iterdir():
                run(["umount", "-l", path], check=False)

    def api(self):
        return LocalApi(self.socket)

    def counters(self):
        with self.api() as api:
            return api.counters()


@contextlib.contextmanager
def counted(gateway):
    """{name: increase} of the forwarder's counters over the block, filled at its end."""
    before, increase = gateway.counters(), {}
    yield increase
    after = gateway.counters()
    increase.update({k: v - before.get(k, 0) for k, v in after.items() if v != before.get(k, 0)})
