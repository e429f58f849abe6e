# SPDX-License-Identifier: Apache-2.0
"""An SA has one owner worker in each direction; other workers hand its packets over, in order."""

import base64
import json
import struct
import subprocess

import pytest

import esp_wire
from localapi import ApiError, structs
from net import Net, program, run, wait_for
from pair import LAN, SPI, TUNNEL, VRF, Pair
from traffic import Probe, capture, ping


@pytest.fixture(scope="module")
def pair():
    with Net() as net:
        yield Pair(net, workers=2)


def test_two_workers_share_flows_yet_an_sa_has_one_owner_and_keeps_the_order(pair, tmp_path):
    a, b = pair.machines["a"], pair.machines["b"]
    assert ping(a, pair.address("b"), 5, wait_s=5) >= 3
    for side in ("a", "b"):
        owners = {name: s.worker for name, s in pair.stats(side).items()}
        assert sorted(owners.values()) == [0, 1], owners  # one each way
    before = {s: received(pair, s) for s in ("a", "b")}
    flows = [("a", "b")] * 8 + [("b", "a")] * 8
    with capture(pair.gateways["b"], "up0", tmp_path / "wire.pcap", "ip proto 50"):
        probes = [Probe(pair.machines[x], pair.address(x), pair.machines[y], pair.address(y), rate=500, seconds=2)
                  for x, y in flows]
        accounts = [p.wait() for p in probes]
        wire = esp_wire.until(tmp_path / "wire.pcap", SPI["b"], pair.stats("a")["OUT"].sequence)
    for account in accounts:
        assert (account["lost"], account["duplicates"], account["reordered"]) == (0, 0, 0), account
    for side in ("a", "b"):
        # Both workers took packets from the wire: half of them had to be handed over.
        took = [after - then for after, then in zip(received(pair, side), before[side])]
        assert min(took) > 200, took
    numbers = [p.seq for p in wire[SPI["b"]]]  # b's own way out passes no tap
    assert len(numbers) >= sum(account["sent"] for account in accounts[:8]) > 1000
    assert numbers == sorted(set(numbers))


MARK = b"isthmus-in-clear"  # in the pings


def packets(path):
    """(interface, comment, bytes) of each packet of a pcapng file of ours."""
    data, at, names = path.read_bytes(), 0, []
    while at + 12 <= len(data):
        kind, size = struct.unpack_from("<II", data, at)
        body, at = data[at + 8:at + size - 4], at + size
        kept = struct.unpack_from("<I", body, 12)[0] if kind == 6 else 0
        options, found = {1: body[8:], 6: body[20 + (kept + 3) // 4 * 4:]}.get(kind, b""), {}
        while len(options) >= 4:
            code, length = struct.unpack_from("<HH", options)
            found[code], options = options[4:4 + length].decode(), options[4 + (length + 3) // 4 * 4:]
        if kind == 1:
            names.append(found[2])
        elif kind == 6:
            yield names[struct.unpack_from("<I", body)[0]], found[1], body[20:20 + kept]


def captured(pair, path, *words):
    """A capture while marked pings pass: how it ended, its packets."""
    argv = ["ping", "-n", "-q", "-i", "0.02", "-p", MARK.hex(), "-s", "200", pair.address("b")]
    with subprocess.Popen(["ip", "netns", "exec", pair.machines["a"].full, *argv], stdout=subprocess.DEVNULL) as pings:
        try:
            done = run([program("isthmus"), "gw", "capture", path, "--count", "80", "--timeout", "20", *words,
                        "--socket", pair.sockets["a"]], check=False, timeout=60)
        finally:
            pings.terminate()
    return done, list(packets(path)) if done.returncode == 0 else []


def test_ipsec_is_captured_in_clear_only_with_a_flag_that_is_audited(pair, tmp_path):
    tunnel = "connection %d" % TUNNEL
    refused, _ = captured(pair, tmp_path / "no.pcapng", "--connection", str(TUNNEL))
    assert refused.returncode == 1 and "IPsec" in refused.stderr and "decrypt" in refused.stderr, refused.stderr
    for words in (("--decrypt",), ("--decrypt", "--connection", str(LAN))):
        refused, _ = captured(pair, tmp_path / "no.pcapng", *words)
        assert refused.returncode == 1 and "must name one IPsec connection" in refused.stderr, refused.stderr
    # Without the flag: as it is on the wire, and nothing from inside the tunnel.
    _, seen = captured(pair, tmp_path / "sealed.pcapng", "--vrf", str(VRF))
    ways = {comment.split(";")[0] for interface, comment, _ in seen if interface == "up0"}
    assert ways == {"outer, in", "outer, out"}
    assert not [p for p in seen if p[0] == "up0" and MARK[:8] in p[2]]
    assert not [p for p in seen if p[0] == "inside" and tunnel in p[1]]
    assert "audit" not in pair.processes["a"].output()
    # With it both directions in clear, and the journal says who it was.
    _, seen = captured(pair, tmp_path / "clear.pcapng", "--connection", str(TUNNEL), "--decrypt")
    clear = {comment.split(";")[0] for interface, comment, data in seen
             if interface == "inside" and tunnel in comment and MARK[:8] in data}
    assert clear == {"inner, in", "inner, out"}
    lines = [line for line in pair.processes["a"].output().splitlines() if "audit" in line]
    assert len(lines) == 1 and "uid 0 " in lines[0] and "connection %d (tunnel) decrypted" % TUNNEL in lines[0], lines


def test_a_slots_new_iv_epoch_is_on_the_wire_at_once(pair, tmp_path):
    """By the local API, under traffic: no packet is lost, every later one has the new number in its IV."""
    with capture(pair.gateways["b"], "up0", tmp_path / "wire.pcap", "ip proto 50"):
        probe = Probe(pair.machines["a"], pair.address("a"), pair.machines["b"], pair.address("b"), rate=500)
        for iv_epoch in (2, 3):
            sent = pair.stats("a")["OUT"].sequence
            wait_for(lambda: pair.stats("a")["OUT"].sequence > sent + 50, 10, "packets under the former number")
            with pair.api("a") as api:
                slot = api.dump("slot")[0]
                slot.iv_epoch = iv_epoch
                api.set("slot", slot)
        sent = pair.stats("a")["OUT"].sequence
        wait_for(lambda: pair.stats("a")["OUT"].sequence > sent + 50, 10, "packets under the last number")
        account = probe.stop()
        packets = esp_wire.until(tmp_path / "wire.pcap", SPI["b"], pair.stats("a")["OUT"].sequence)[SPI["b"]]
    assert (account["lost"], account["duplicates"]) == (0, 0), account
    epochs = [p.iv >> 40 for p in packets]
    assert epochs == sorted(epochs) and sorted(set(epochs)) == [1, 2, 3]
    assert min(epochs.count(e) for e in (1, 2, 3)) >= 50
    assert len({p.iv for p in packets}) == len(packets)


def received(pair, side):
    with pair.api(side) as api:
        return [n.packets for n in sorted(api.dump("node_stats"), key=lambda n: n.worker) if n.name == b"rx"]


def test_gw_sa_shows_everything_but_keys(pair):
    def said(*words):
        return run([program("isthmus"), "gw", "sa", *words, "--socket", pair.sockets["a"]]).stdout

    rows = json.loads(said("-o", "json"))
    rows = {r["dir"]: r for r in rows["value"]}
    assert sorted(rows) == ["in", "out"]
    shown = {name for row in rows.values() for name in row}
    assert {n for n, _ in structs["api_sa_stats"]._fields_ if not n.startswith("pad")} <= shown
    stats = pair.stats("a")["OUT"]
    assert (rows["out"]["sequence"], rows["out"]["key_bits"], rows["out"]["remote"]) == (stats.sequence, 256, "192.0.2.2")
    with pair.api("a") as api:
        raw = b"".join(bytes(s) for s in api.dump("sa_stats"))
        with pytest.raises(ApiError):
            api.dump("sa")
    text = said("-o", "json") + said()
    for key in pair.keys.values():
        for piece in (key[:8], key[16:24], key[28:36]):  # the middle, the salt: none of it
            assert piece not in raw
            assert piece.hex() not in text.lower() and base64.b64encode(piece).decode()[:10] not in text
