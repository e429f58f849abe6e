# SPDX-License-Identifier: Apache-2.0
"""A gateway host of the lab: its services under the supervisor, its local API."""

import contextlib

from localapi import LocalApi
from net import wait_for
from supervisor import Supervisor


class Gateway:
    """In a namespace with the ports `up0` (index 0) and, with a trunk, `trunk0` (index 1)."""

    def __init__(self, net, ns, name="gw", ports=("up0", "trunk0")):
        self.net, self.ns, self.name, self.ports = net, ns, name, ports
        self.supervisor = Supervisor(net, name)
        self.socket = self.supervisor.dir / "run" / "isthmus" / "forwarder.sock"
        self.forwarder = self.agent = None

    def start_forwarder(self, workers=1, more=""):
        ports = " ".join("--port %s=af_packet:%s" % (p, p) for p in self.ports)
        self.forwarder = self.supervisor.start("isthmus-forwarder", self.ns, ISTHMUS_WORKERS=workers,
                                               ISTHMUS_PORTS="%s --no-huge --buffers 8192 %s" % (ports, more))
        self.wait_forwarder()
        return self.forwarder

    def wait_forwarder(self):
        wait_for(self._answers, 30, "the forwarder answers on %s" % self.socket)

    def _answers(self):
        with contextlib.suppress(OSError):
            self.api().close()
            return True
        return False

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
