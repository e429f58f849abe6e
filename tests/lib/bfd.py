# SPDX-License-Identifier: Apache-2.0
"""BFD of others: FRR's bfdd in a namespace. BIRD is in bgp.py."""

import json
import os
import shutil

from net import wait_for


class Bfdd:
    """zebra (for the interfaces) and bfdd of FRR, with one `bfd` section."""

    def __init__(self, net, ns, name, section):
        self.ns, self.dir = ns, net.dir / name
        self.dir.mkdir(mode=0o777)
        shutil.chown(self.dir, "frr", "frr")
        os.chmod(net.dir, 0o755)
        conf = self.dir / "frr.conf"
        conf.write_text("bfd\n%s\n" % section)
        common = ["--vty_socket", self.dir, "-z", self.dir / "zserv.api", "--log", "stdout"]
        self.zebra = net.spawn(name + "-zebra", ["/usr/lib/frr/zebra", "-i", self.dir / "zebra.pid", *common], ns)
        wait_for((self.dir / "zserv.api").exists, what="zebra's socket")
        self.process = net.spawn(name + "-bfdd", ["/usr/lib/frr/bfdd", "-f", conf, "-i", self.dir / "bfdd.pid",
                                                  "--bfdctl", self.dir / "bfdd.sock", *common], ns)

    def peers(self):
        """{peer's address: what bfdd says of it}"""
        done = self.ns.run(["vtysh", "--vty_socket", self.dir, "-d", "bfdd", "-c", "show bfd peers json"], check=False)
        try:
            return {p["peer"]: p for p in json.loads(done.stdout)}
        except ValueError:
            return {}

    def configure(self, *lines):
        words = [w for line in ("configure", *lines) for w in ("-c", line)]
        self.ns.run(["vtysh", "--vty_socket", self.dir, "-d", "bfdd", *words])
