# SPDX-License-Identifier: Apache-2.0
"""Open vSwitch's user-space datapath in a namespace: an independent peer for GRE and for VLANs.

One ovsdb-server and one ovs-vswitchd each, with their own files; no kernel module, no service of
the machine. Frames come to it through packet sockets without offload headers, so a cable that ends
in it has its offloads off.
"""

import os
import socket

from net import run, wait_for

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"


def listens(path):
    """The file is there a moment before somebody listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        return s.connect_ex(str(path)) == 0


class Ovs:
    def __init__(self, net, ns):
        self.net, self.ns = net, ns
        self.dir = net.dir / ("ovs-" + ns.name)
        self.dir.mkdir()
        self.db = "unix:%s/db.sock" % self.dir
        env = {"OVS_RUNDIR": str(self.dir), "OVS_LOGDIR": str(self.dir), "OVS_DBDIR": str(self.dir)}
        self.env = {**os.environ, **env}
        run(["ovsdb-tool", "create", self.dir / "conf.db", SCHEMA])
        net.spawn("ovsdb-" + ns.name, ["ovsdb-server", self.dir / "conf.db", "--remote=p" + self.db,
                                       "--unixctl=%s/ovsdb.ctl" % self.dir], ns, env)
        wait_for(lambda: listens(self.dir / "db.sock"), 10, "ovsdb-server listens")
        self.vsctl("--no-wait", "init")
        net.spawn("vswitchd-" + ns.name, ["ovs-vswitchd", self.db, "--unixctl=%s/vswitchd.ctl" % self.dir], ns, env)
        wait_for((self.dir / "vswitchd.ctl").exists, 10, "ovs-vswitchd listens")

    def vsctl(self, *argv):
        run(["ip", "netns", "exec", self.ns.full, "ovs-vsctl", "--retry", "--timeout=20", "--db=" + self.db, *argv], env=self.env)

    def flows(self, bridge, *flows):
        run(["ip", "netns", "exec", self.ns.full, "ovs-ofctl", "replace-flows", "unix:%s/%s.mgmt" % (self.dir, bridge), "-"],
            input="\n".join(flows) + "\n", env=self.env)

    def bridge(self, name, *ports, mac=None):
        """ports: (device, *settings of ovs-vsctl's interface table)."""
        argv = ["--", "add-br", name, "--", "set", "bridge", name, "datapath_type=netdev",
                "fail_mode=standalone" if mac else "fail_mode=secure"]
        if mac:
            argv += ["other-config:hwaddr=" + mac]
        self.vsctl(*argv)
        for port in ports:
            self.port(name, *port)

    def port(self, bridge, device, *settings, tag=None):
        argv = ["add-port", bridge, device] + (["tag=%d" % tag] if tag else [])
        if settings:
            argv += ["--", "set", "interface", device, *settings]
        self.vsctl(*argv)

    def appctl(self, *argv):
        return run(["ovs-appctl", "-t", "%s/vswitchd.ctl" % self.dir, *argv]).stdout
