# SPDX-License-Identifier: Apache-2.0
"""A real Linux kernel as a peer: User-Mode Linux in a namespace of the lab.

    guest = Uml(net, "site", ns, "eth0")       # takes the interface eth0 of ns: it is the guest's eth0
    guest.sh("ip addr add 192.0.2.2/24 dev eth0")
    guest.modprobe("esp4", "gcm")

The guest sees the machine's own file system with a scratch layer over it and has no other way out
than the cable. Commands go in and answers come out on its console. Boots in about two seconds.
"""

import os
import re
import select
import signal
import subprocess
import time

from net import run

KERNEL = "/usr/bin/linux.uml"
MODULES = "/usr/lib/uml/modules"
MARK = "@uml@"

INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
insmod %(modules)s/kernel/fs/overlayfs/overlay.ko
mount -t tmpfs tmpfs /mnt
mkdir /mnt/up /mnt/wk /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/up,workdir=/mnt/wk /mnt/root
cd /mnt/root
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t devtmpfs devtmpfs dev
mount -t tmpfs tmpfs run
mkdir -p lib/modules/%(version)s
mount --bind %(modules)s lib/modules/%(version)s
exec chroot . /bin/sh %(guest)s
"""

GUEST = """stty -echo -onlcr < /dev/console
ip link set lo up
echo %(mark)s boot 0
while read -r line; do
	eval "$line" 2>&1
	echo
	echo "%(mark)s done $?"
done
"""


class GuestError(Exception):
    """A command in the guest ended badly: what it was and what it said."""


def modules_dir():
    return os.path.join(MODULES, sorted(os.listdir(MODULES))[-1])


class Uml:
    """A guest whose interfaces are those named of `ns`, in order eth0, eth1..."""

    def __init__(self, net, name, ns, *devices, memory="128M", mac=None):
        self.name, self.ns = name, ns
        self.dir = net.dir / ("uml-" + name)
        self.dir.mkdir()
        version = os.path.basename(modules_dir())
        guest, init = self.dir / "guest.sh", self.dir / "init.sh"
        # "done" has to say how the command ended, not how echo did.
        guest.write_text(GUEST.replace("\techo\n", "\tstatus=$?\n\techo\n").replace("$?\"", "$status\"") % {"mark": MARK})
        init.write_text(INIT % {"modules": modules_dir(), "version": version, "guest": guest})
        init.chmod(0o755)
        for dev in devices:
            ns.ethtool_offload(dev, False)
            ns.ip("link set %s promisc on" % dev)
        vectors = ["vec%d:transport=raw,ifname=%s,depth=128,gro=0,mac=%s" % (i, dev, mac or "02:75:6d:00:%02x:%02x" % (
            hash(name) & 0xff, i)) for i, dev in enumerate(devices)]
        argv = ["ip", "netns", "exec", ns.full, KERNEL, "mem=" + memory, "root=/dev/root", "rootfstype=hostfs", "rootflags=/",
                "ro", "init=%s" % init, "con=null", "con0=fd:0,fd:1", "ssl=null", "quiet", "selinux=0", "umid=%s-%s" % (
                    net.prefix, name), "uml_dir=%s" % self.dir, *vectors]
        self.proc = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                     start_new_session=True, env={**os.environ, "TMPDIR": "/dev/shm"})
        os.set_blocking(self.proc.stdout.fileno(), False)
        self.said = ""
        net.on_close(self.stop)
        self._until("boot", 60)
        for i in range(len(devices)):
            self.sh("ip link set vec%d name eth%d" % (i, i))
            self.sh("ip link set eth%d up" % i)

    def _until(self, word, seconds):
        """What the guest says up to the mark, and the number after it."""
        pattern, deadline = re.compile(r"%s %s (\d+)\r?\n" % (MARK, word)), time.monotonic() + seconds
        while True:
            found = pattern.search(self.said)
            if found:
                text, self.said = self.said[:found.start()], self.said[found.end():]
                return text.strip("\r\n"), int(found.group(1))
            left = deadline - time.monotonic()
            if left <= 0 or self.proc.poll() is not None:
                raise GuestError("guest %s is silent or gone; it said:\n%s" % (self.name, self.said[-2000:]))
            if select.select([self.proc.stdout], [], [], left)[0]:
                self.said += (self.proc.stdout.read() or b"").decode(errors="replace")

    def sh(self, command, check=True, seconds=30):
        """Runs one line of shell in the guest; its output."""
        assert "\n" not in command
        self.proc.stdin.write(command.encode() + b"\n")
        self.proc.stdin.flush()
        text, status = self._until("done", seconds)
        if check and status:
            raise GuestError("in guest %s: %s ended with %d:\n%s" % (self.name, command, status, text))
        return text

    def modprobe(self, *names):
        for name in names:
            self.sh("modprobe " + name)

    def ping(self, address, count=1, size=56, more=""):
        """How many of `count` echo requests were answered."""
        out = self.sh("ping -n -q -c %d -i 0.02 -W 1 -s %d %s %s" % (count, size, more, address), check=False,
                      seconds=30 + count)
        found = re.search(r"(\d+) received", out)
        return int(found.group(1)) if found else 0

    def stop(self):
        if self.proc.poll() is None:
            try:
                os.killpg(self.proc.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.proc.wait(10)
        run(["rm", "-rf", str(self.dir)], check=False)


def available():
    return os.path.exists(KERNEL) and os.path.isdir(MODULES)
