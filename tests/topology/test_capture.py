# SPDX-License-Identifier: Apache-2.0
"""`isthmus gw capture` and `gw trace` of scene.py's two tenants with live traffic, read by tshark."""

import subprocess
import time

import pytest

import direct
from gateway import Gateway
from net import program, run, wait_for
from scene import Scene
from traffic import flows, ping, tshark

FIELDS = ("frame.interface_name", "frame.comment", "_ws.col.Protocol", "ip.src", "vxlan.vni", "gre.key", "frame.len")


class Lab:
    def __init__(self, scene):
        self.scene, self.tenants = scene, scene.tenants
        self.gateway = Gateway(scene.net, scene.gateway_ns)

    def argv(self, *words):
        return [str(w) for w in (program("isthmus"), "gw", *words, "--socket", self.gateway.socket)]

    def captured(self, name, *words, pairs, rate=100):
        """Packets of a capture while these pairs talk: (interface, comment, protocol, addresses, vni, key, size)."""
        path = self.scene.net.dir / name
        with flows(*pairs, rate=rate):
            said = run(self.argv("capture", path, *words), timeout=90).stderr
        return tshark(path, *FIELDS), said

    def pairs(self):
        return [p for t in self.tenants for p in t.pairs()[:4]]


@pytest.fixture(scope="module")
def lab():
    with Scene() as scene:
        it = Lab(scene)
        it.gateway.start_forwarder()
        direct.configure(scene, it.gateway)
        assert scene.unreachable(5) == []
        yield it
        assert it.gateway.forwarder.restarts == 0, it.gateway.forwarder.output()


def where(rows):
    return {row[1].split(";")[0] for row in rows}


def test_a_tenants_packets_are_captured_inside_and_outside_and_nobody_elses(lab):
    contoso, fabrikam = lab.tenants
    rows, _ = lab.captured("tenant.pcapng", "--vrf", contoso.number, "--count", 400, "--timeout", 30, pairs=lab.pairs())
    assert len(rows) == 400
    assert where(rows) == {"outer, in", "inner, in", "inner, out", "outer, out"}
    assert {row[0] for row in rows} == {"inside", "up0", "trunk0"}
    assert all("vrf %d" % contoso.number in row[1] for row in rows)
    assert {row[4] for row in rows} - {""} <= {str(contoso.vni), str(contoso.gateway_vni)}
    assert {int(row[5], 0) for row in rows if row[5]} == {contoso.gre_key}
    assert not {str(fabrikam.vni), str(fabrikam.gateway_vni)} & {row[4] for row in rows}
    for row in rows:  # an IP packet alone inside, and with its tunnel outside
        assert row[1].startswith("inner") == (row[0] == "inside"), row
        assert row[0] != "up0" or row[4] or row[5], row


def test_a_connections_packets_are_captured_alone(lab):
    t = lab.tenants[1]
    gre, _ = direct.conn_ids(t)
    rows, _ = lab.captured("conn.pcapng", "--connection", gre, "--count", 200, "--timeout", 30, pairs=lab.pairs())
    assert len(rows) == 200
    assert {int(row[5], 0) for row in rows if row[5]} == {t.gre_key}
    assert {row[0] for row in rows} == {"inside", "up0"}  # and never the VLAN's port
    assert "inner, out" in where(rows) and "inner, in" in where(rows)


def test_drops_are_captured_with_their_reason(lab):
    t = lab.tenants[0]
    vm = t.vms["vm1"]
    with subprocess.Popen(lab.argv("capture", lab.scene.net.dir / "drop.pcapng", "--vrf", t.number, "--count", "12",
                                   "--timeout", "30"), stderr=subprocess.PIPE) as process:
        for router in {h.router(t.name) for h in lab.scene.hosts.values()}:
            router.route("10.99.0.0/16", t.gateway_vni, direct.gateway_address(t), direct.gateway_mac(t), direct.SLOT_PA)
        while process.poll() is None:
            ping(vm.ns, "10.99.0.1", 1, wait_s=0.1)
        assert process.returncode == 0
    rows = tshark(lab.scene.net.dir / "drop.pcapng", *FIELDS)
    assert "dropped: no_route" in where(rows), rows


def test_a_capture_is_bounded_in_rate_and_size(lab):
    began = time.monotonic()
    rows, said = lab.captured("rate.pcapng", "--count", 100000, "--rate", 50, "--timeout", 3, pairs=lab.pairs(), rate=200)
    spent = time.monotonic() - began
    assert 100 < len(rows) <= 50 * spent + 128 + 1, (len(rows), spent)
    assert int(said.split(",")[1].split()[0]) > len(rows)  # what was passed over is said
    rows, _ = lab.captured("size.pcapng", "--size", 20000, "--timeout", 20, "--count", 100000, pairs=lab.pairs())
    assert 15000 < sum(int(row[6]) for row in rows) <= 20000


def test_a_capture_costs_nobody_a_packet_and_ends_with_its_caller(lab):
    path = lab.scene.net.dir / "ended.pcapng"
    with flows(*lab.pairs(), rate=200) as accounts:
        with subprocess.Popen(lab.argv("capture", path, "--count", "1000000", "--rate", "50000", "--timeout", "60")) as process:
            wait_for(lambda: path.exists() and path.stat().st_size > 600000, 20, "it writes")
            process.kill()
        wait_for(lambda: run(lab.argv("capture", path, "--count", "5"), check=False).returncode == 0, 10, "the next one may begin")
    for account in accounts:
        assert account["received"] > 50, account
        assert (account["lost"], account["duplicates"], account["reordered"]) == (0, 0, 0), account


def test_what_makes_no_sense_is_refused_in_words(lab):
    for words, reason in ((("--vrf", "77"), "vrf: 77 is not known"), (("--connection", "77"), "conn: 77 is not known"),
                          (("--rate", "0"), "rate: 1..50000"), (("--count", "0"), "count: 1..1000000")):
        done = run(lab.argv("capture", "/dev/null", *words), check=False)
        assert done.returncode == 1 and reason in done.stderr, (words, done.stderr)


def test_live_packets_of_a_tenant_are_traced_through_every_node(lab):
    contoso = lab.tenants[0]
    with flows(*lab.pairs(), rate=50):
        out = run(lab.argv("trace", "--vrf", contoso.number, "--count", 40, "--timeout", 30), timeout=60).stdout
    traces = [text.splitlines() for text in out.strip().split("\n\n")]
    assert len(traces) == 40
    ways = set()
    for lines in traces:
        nodes = [line.split(":")[0] for line in lines]
        assert nodes[:2] == ["plain", "eth"] and nodes[-1] in ("tx", "drop", "control"), lines
        assert any("vrf" in line for line in lines)
        ways.add(tuple(nodes[1:]))
    assert ("eth", "underlay_ip", "vxlan_in", "ip_forward", "gre_out", "tx") in ways
    assert ("eth", "underlay_ip", "gre_in", "ip_forward", "overlay_out", "tx") in ways
    assert ("eth", "underlay_ip", "vxlan_in", "ip_forward", "l3_out", "tx") in ways
    assert ("eth", "l3_in", "ip_forward", "overlay_out", "tx") in ways
