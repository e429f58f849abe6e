# SPDX-License-Identifier: Apache-2.0
"""Traffic of the stories: numbered packets that are all accounted for, pings, TCP streams."""

import contextlib
import json
import socket
import subprocess
import threading
import time

from net import program, run


class Probe:
    """A running flow of numbered UDP packets (tests/lib/probe.c). stop() gives the account of it."""

    def __init__(self, from_ns, from_addr, to_ns, to_addr, rate=1000, size=100, seconds=None):
        argv = [program("probe"), from_ns.path, from_addr, to_ns.path, to_addr, rate, size] + ([seconds] if seconds else [])
        self.proc = subprocess.Popen([str(a) for a in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.proc.stdout.readline() != "ready\n":
            raise AssertionError("the probe did not start: " + " ".join(str(a) for a in argv))

    def stop(self):
        return json.loads(self.proc.communicate("", timeout=60)[0])

    def wait(self):
        """Until its own end, given as `seconds`."""
        out = self.proc.stdout.read()
        self.proc.stdin.close()
        self.proc.wait(30)
        return json.loads(out)


@contextlib.contextmanager
def flows(*pairs, rate=1000, size=100):
    """Flows for the length of the block; their accounts are in the list it gives, in order.

    A pair is (from namespace, from address, to namespace, to address)."""
    accounts, probes = [], []
    try:
        for pair in pairs:
            probes.append(Probe(*pair, rate=rate, size=size))
        yield accounts
    finally:
        for probe in probes:
            accounts.append(probe.stop())


def ping(ns, address, count=1, size=None, source=None, wait_s=1, df=False):
    """How many of `count` echo requests were answered."""
    argv = ["ping", "-n", "-q", "-c", count, "-i", "0.02", "-W", wait_s]
    argv += ["-s", size] if size is not None else []
    argv += ["-I", source] if source else []
    argv += ["-M", "do"] if df else []
    out = ns.run(argv + [address], check=False, timeout=30 + count * wait_s).stdout
    for line in out.splitlines():
        if "received" in line:
            return int(line.split(",")[1].split()[0])
    return 0


def tcp(client, server, server_addr, seconds=2, reverse=False):
    """iperf3 between two namespaces: received bits a second and retransmissions."""
    daemon = subprocess.Popen(["ip", "netns", "exec", server.full, "iperf3", "-s", "-1", "--forceflush", "-B", server_addr],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        for line in daemon.stdout:
            if "listening" in line:
                break
        argv = ["iperf3", "-c", server_addr, "-J", "-t", seconds] + (["-R"] if reverse else [])
        report = json.loads(client.run(argv, check=False, timeout=seconds + 30).stdout)
        if "error" in report:
            raise AssertionError("iperf3: " + report["error"])
        return {"bps": report["end"]["sum_received"]["bits_per_second"], "retransmits": report["end"]["sum_sent"].get("retransmits", 0)}
    finally:
        daemon.terminate()
        daemon.wait(10)


class Transfer:
    """A TCP connection that carries a known stream of bytes, some 1.5 MB a second, until stop()."""

    PORT, CHUNK, PAUSE_S = 7007, 8192, 0.005
    STREAM = bytes(i * 167 % 251 for i in range(251)) * 2 * 8192  # its period is no power of two

    def __init__(self, from_ns, to_ns, to_addr):
        self.ended, self.received, self.longest_pause_s, self.problem = threading.Event(), 0, 0.0, None
        with to_ns.entered():
            self.listener = socket.create_server((to_addr, self.PORT))
        with from_ns.entered():
            self.sender = socket.create_connection((to_addr, self.PORT), timeout=30)
        self.receiver = self.listener.accept()[0]
        self.receiver.settimeout(30)
        self.threads = [threading.Thread(target=self._guarded, args=(f,), daemon=True) for f in (self._send, self._receive)]
        for thread in self.threads:
            thread.start()

    def _guarded(self, function):
        try:
            function()
        except OSError as e:
            self.problem = str(e)

    def _send(self):
        sent = 0
        while not self.ended.wait(self.PAUSE_S):
            at = sent % 251
            self.sender.sendall(self.STREAM[at:at + self.CHUNK])
            sent += self.CHUNK
        self.sender.shutdown(socket.SHUT_WR)

    def _receive(self):
        last = time.monotonic()
        while data := self.receiver.recv(65536):
            at, now = self.received % 251, time.monotonic()
            if data != self.STREAM[at:at + len(data)]:
                self.problem = "other bytes arrived than were sent"
            self.received += len(data)
            self.longest_pause_s, last = max(self.longest_pause_s, now - last), now

    def stop(self):
        """Ends it; .received, .longest_pause_s and .problem (None: all arrived as sent) are final."""
        self.ended.set()
        for thread in self.threads:
            thread.join(40)
            if thread.is_alive():
                self.problem = "it never ended"
        for s in (self.sender, self.receiver, self.listener):
            s.close()
        return self


def inject(ns, dev, frames, count=1):
    """Puts frames on a cable's end as they are: one (bytes or a scapy packet) or a list of them."""
    frames = [bytes(f) for f in frames] if isinstance(frames, list) else [bytes(frames)]
    with ns.entered():
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
            s.bind((dev, 0))
            for frame in frames * count:
                s.send(frame)


@contextlib.contextmanager
def capture(ns, dev, path, expression=""):
    """tcpdump for the length of the block, started when it listens and stopped by pid."""
    # Without delay each packet takes a place of the ring as large as the largest: with a snapshot length of
    # 256 KiB in 2 MiB there are eight, and a machine with more to do loses some.
    argv = ["ip", "netns", "exec", ns.full, "tcpdump", "--immediate-mode", "-s", "16384", "-B", "32768", "-U", "-n", "-i", dev,
            "-w", str(path)] + expression.split()
    proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        for line in proc.stderr:
            if "listening" in line:
                break
        yield path
    finally:
        proc.terminate()
        proc.wait(10)


def tshark(path, *fields, display=""):
    """Rows of the named fields of a capture file."""
    argv = ["tshark", "-r", path, "-T", "fields", *[x for f in fields for x in ("-e", f)]] + (["-Y", display] if display else [])
    return [line.split("\t") for line in run(argv).stdout.splitlines()]
