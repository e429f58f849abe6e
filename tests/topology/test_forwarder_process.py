# SPDX-License-Identifier: Apache-2.0
"""The forwarder as a process: it says when it is ready, sleeps when idle, ends cleanly.

    far q0 ===== p0 forwarder
"""

import os
import socket
import time

import pytest

from conftest import is_sanitized
from localapi import LocalApi, mac_text
from net import Net, program, wait_for


@pytest.fixture(scope="module")
def lab():
    with Net() as net:
        yield Lab(net)


class Lab:
    def __init__(self, net):
        self.net = net
        self.far, self.ns = net.namespace("far"), net.namespace("gw")
        net.link(self.far, "q0", self.ns, "p0")
        self.path = net.dir / "forwarder.sock"
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(net.dir / "notify"))
        self.notify.settimeout(30)
        self.process = self.start()
        self.said = self.notify.recv(100)

    def start(self, *more):
        argv = [program("isthmus-forwarder"), "--socket", self.path, "--no-huge", "--buffers", "8192",
                "--port", "u=af_packet:p0", *more]
        return self.net.spawn("forwarder", argv, self.ns, {"NOTIFY_SOCKET": str(self.net.dir / "notify")})

    def cpu_s(self):
        with open("/proc/%d/stat" % self.process.pid, encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_forwarder_says_that_it_is_ready_and_answers(lab):
    assert lab.said == b"READY=1"
    with LocalApi(lab.path) as api:
        port, = api.dump("port")
        assert (port.name, port.up, port.kind, port.mtu) == (b"u", 1, 1, 1700)
        assert mac_text(port.mac) == lab.ns.json("ip", "-j", "link", "show", "p0")[0]["address"]
        assert "drop.no_route" in api.counters()
        assert [w.worker for w in api.dump("worker")] == [0]


def test_idle_worker_sleeps_and_uses_no_cpu(lab):
    before, began = lab.cpu_s(), time.monotonic()
    with LocalApi(lab.path) as api:
        def sleeps():
            worker, = api.dump("worker")
            return worker.sleeps and worker.beat_us == 0
        wait_for(sleeps, 5, "asleep")
    time.sleep(3)  # the span that is measured, not a wait
    used = (lab.cpu_s() - before) / (time.monotonic() - began)
    assert used < (0.2 if is_sanitized() else 0.02)


def test_worker_stays_idle_when_its_interface_goes_down_and_comes_back(lab):
    lab.ns.ip("link set p0 down")
    lab.ns.ip("link set p0 up")
    before, began = lab.cpu_s(), time.monotonic()
    time.sleep(2)  # the span that is measured, not a wait
    assert (lab.cpu_s() - before) / (time.monotonic() - began) < (0.2 if is_sanitized() else 0.05)


def test_injected_packet_is_traced_to_its_verdict(lab):
    frame = bytes.fromhex("0200000000ff" "020000000001" "0800") + bytes(50)
    with LocalApi(lab.path) as api:
        text, = api.call("trace", struct="api_trace_text", count=1, timeout_ms=5000, inject_port=0,
                         inject_size=len(frame), inject=tuple(frame))
    lines = text.text.decode().splitlines()
    assert lines[0].startswith("plain: 64 bytes, port 0") and lines[1].startswith("eth: ")
    assert lines[-1] == "drop: eth_not_ours: destination MAC is not this port's"


def test_live_packets_are_traced(lab):
    mac = lab.ns.json("ip", "-j", "link", "show", "p0")[0]["address"]
    lab.far.ip("addr replace 10.1.0.1/24 dev q0", "neigh replace 10.1.0.2 lladdr %s dev q0" % mac)
    ping = lab.net.spawn("ping", ["ping", "-i", "0.1", "-c", "100", "10.1.0.2"], lab.far)
    with LocalApi(lab.path) as api:
        texts = api.call("trace", struct="api_trace_text", count=2, timeout_ms=5000)
    ping.stop()
    assert len(texts) == 2
    assert all("eth:" in t.text.decode() and "drop: " in t.text.decode() for t in texts)


def test_sigterm_ends_it_cleanly_and_its_socket_is_gone(lab):
    assert lab.process.stop() == 0
    assert lab.notify.recv(100) == b"STOPPING=1"
    assert not lab.path.exists()


def test_two_workers_share_the_port_by_flow(lab):
    lab.process.stop()
    lab.process = lab.start("--workers", "2")
    wait_for(lambda: lab.notify.recv(100) == b"READY=1", 30, "ready")
    mac = lab.ns.json("ip", "-j", "link", "show", "p0")[0]["address"]
    lab.far.ip("addr replace 10.1.0.1/24 dev q0", "neigh replace 10.1.0.2 lladdr %s dev q0" % mac)
    with LocalApi(lab.path) as api:
        def packets():
            return [n.packets for n in api.dump("node_stats") if n.name == b"rx"]
        with lab.far.entered():
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        before = sum(packets())
        for i in range(400):
            sender.sendto(b"x", ("10.1.0.2", 1000 + i))
        sender.close()
        wait_for(lambda: sum(packets()) >= before + 400, 10, "all received")
        assert all(n > 50 for n in packets()), packets()
    assert lab.process.stop() == 0


@pytest.mark.parametrize("device", ["net_tap0,iface=dtap0", "net_null0"])
def test_any_dpdk_device_can_be_a_port(lab, device):
    """A tap takes what its namespace sends; null gives packets of zeros without end. Both end in counted drops."""
    name = "net_tap0" if "tap" in device else "net_null0"
    path = lab.net.dir / (name + ".sock")
    process = lab.net.spawn(name, [program("isthmus-forwarder"), "--socket", path, "--no-huge", "--buffers", "4096",
                                   "--port", "d=dpdk:" + device], lab.ns)
    wait_for(path.exists, 30, "listens: " + process.output())
    with LocalApi(path) as api:
        port, = api.dump("port")
        assert port.name == b"d"
        if name == "net_tap0":
            lab.ns.ip("addr add 10.9.0.1/24 dev dtap0", "link set dtap0 up", "neigh replace 10.9.0.2 lladdr 02:00:00:00:00:09 dev dtap0")
            with lab.ns.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for _ in range(20):
                    sender.sendto(b"x", ("10.9.0.2", 9))
        wait_for(lambda: sum(v for k, v in api.counters().items() if k.startswith("drop.")) >= 20, 10, "its packets are taken")
    assert process.stop() == 0
