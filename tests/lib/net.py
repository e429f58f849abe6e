# SPDX-License-Identifier: Apache-2.0
"""Network namespaces, links and processes of one lab, all gone when the lab is.

Everything carries a prefix made of the process id and a counter, so that labs run side by side.
Links are made inside the namespaces they join: the machine's own namespace sees nothing of them.
"""

import contextlib
import ctypes
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("ISTHMUS_BUILD", ROOT / "build"))
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_counter = itertools.count(1)


class CommandFailed(Exception):
    """A command of the lab ended badly: what it was and what it said."""


def wait_for(condition, seconds=10, what=None, step=0.02):
    """The first true value of condition(); fails after `seconds`. Never sleeps a guessed time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("not within %g s: %s" % (seconds, what or condition.__name__))
        time.sleep(step)


def run(argv, check=True, timeout=60, **options):
    argv = [str(a) for a in argv]
    if "input" not in options:
        options["stdin"] = subprocess.DEVNULL
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=timeout, **options)
    if check and done.returncode:
        raise CommandFailed("%s ended with %d\n%s%s" % (" ".join(argv), done.returncode, done.stdout, done.stderr))
    return done


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


class Namespace:
    """One network namespace. `name` is what the lab calls it, `full` what the kernel does."""

    def __init__(self, net, name):
        self.net, self.name, self.full = net, name, "%s-%s" % (net.prefix, name)
        run(["ip", "netns", "add", self.full])
        self.sysctl("net/ipv6/conf/all/accept_dad", 0)
        self.sysctl("net/ipv6/conf/default/accept_dad", 0)
        self.sysctl("net/ipv6/conf/default/router_solicitations", 0)
        self.ip("link set lo up")

    @property
    def path(self):
        return "/run/netns/" + self.full

    def ip(self, *lines):
        """Lines of `ip -batch`, all or an exception."""
        run(["ip", "-n", self.full, "-batch", "-"], input="\n".join(lines) + "\n")

    def sysctl(self, name, value):
        with self.entered():
            pathlib.Path("/proc/sys", name).write_text(str(value))

    def run(self, argv, **options):
        return run(["ip", "netns", "exec", self.full, *argv], **options)

    def json(self, *argv):
        return json.loads(self.run([argv[0], "-j", *argv[1:]]).stdout or "[]")

    @contextlib.contextmanager
    def entered(self):
        """This thread is in the namespace inside the block: for sockets made by Python itself."""
        with open("/proc/thread-self/ns/net") as before, open(self.path) as inside:
            _setns(inside.fileno())
            try:
                yield self
            finally:
                _setns(before.fileno())

    def ethtool_offload(self, dev, on):
        """Off where the other end cannot finish a checksum or take a frame larger than its MTU."""
        state = "on" if on else "off"
        self.run(["ethtool", "-K", dev, "tx", state, "tso", state, "gso", state, "gro", state])

    def delete(self):
        run(["ip", "netns", "del", self.full], check=False)


class Process:
    """A child with its output in a file; stopped by pid, never by name."""

    def __init__(self, net, name, argv, netns=None, env=None, log=None, keeps_mounts=False):
        """`ip netns exec` gives a mount namespace too; with keeps_mounts what is mounted outlives the process."""
        self.name, self.argv = name, [str(a) for a in argv]
        self.log = log or net.dir / (name + ".log")
        enter = ["nsenter", "--net=" + netns.path] if netns and keeps_mounts else ["ip", "netns", "exec", netns.full] if netns else []
        command = enter + self.argv
        with open(self.log, "ab") as out:
            self.proc = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                         env={**os.environ, **(env or {})}, start_new_session=True)

    @property
    def pid(self):
        return self.proc.pid

    def alive(self):
        return self.proc.poll() is None

    def kill(self, sig=signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            self.proc.send_signal(sig)

    def stop(self, seconds=10):
        """Asks, waits, insists. The exit status."""
        if self.alive():
            self.kill(signal.SIGTERM)
            try:
                self.proc.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
                self.proc.wait(5)
        return self.proc.returncode

    def output(self):
        return self.log.read_text(errors="replace")


class Net:
    """All namespaces and processes of a lab, and a directory for their files."""

    def __init__(self, keep_files=False):
        self.prefix = "i%xn%d" % (os.getpid(), next(_counter))
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="isthmus-%s-" % self.prefix))
        self.keep_files = keep_files
        self.namespaces, self.processes, self.closers = {}, [], []
        self.lock = threading.Lock()

    def namespace(self, name):
        with self.lock:
            self.namespaces[name] = ns = Namespace(self, name)
        return ns

    def __getitem__(self, name):
        return self.namespaces[name]

    def link(self, a, a_dev, b, b_dev, mtu=1700, offload=True):
        """A cable between two namespaces. One queue each: what is sent stays in order."""
        run(["ip", "link", "add", a_dev, "netns", a.full, "mtu", mtu, "numtxqueues", 1, "numrxqueues", 1, "type", "veth",
             "peer", "name", b_dev, "netns", b.full, "mtu", mtu, "numtxqueues", 1, "numrxqueues", 1])
        for ns, dev in ((a, a_dev), (b, b_dev)):
            if not offload:
                ns.ethtool_offload(dev, False)
            ns.ip("link set %s up" % dev)

    def bridge(self, ns, name, mtu=1700):
        ns.ip("link add %s mtu %d type bridge forward_delay 0 mcast_snooping 0" % (name, mtu), "link set %s up" % name)

    def plug(self, switch, bridge, ns, dev, **options):
        """A cable from ns to a port of a bridge; the switch's end is named after both."""
        port = ("%s.%s" % (ns.name, dev))[-15:]
        self.link(ns, dev, switch, port, **options)
        switch.ip("link set %s master %s" % (port, bridge))
        switch.sysctl("net/ipv6/conf/%s/disable_ipv6" % port, 1)

    def spawn(self, name, argv, netns=None, env=None):
        process = Process(self, name, argv, netns, env)
        self.processes.append(process)
        return process

    def on_close(self, function):
        self.closers.append(function)

    def close(self):
        for function in reversed(self.closers):
            with contextlib.suppress(Exception):
                function()
        for process in reversed(self.processes):
            process.stop()
        for ns in self.namespaces.values():
            ns.delete()
        if not self.keep_files:
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def program(name):
    """A program of the build under test."""
    for path in (BUILD / folder / name for folder in ("forwarder", "agent", "controller", "cli", "bgp", "ike", "mux", "tests/lib")):
        if path.is_file():
            return path
    raise FileNotFoundError("%s is not in %s: build first" % (name, BUILD))
