# SPDX-License-Identifier: Apache-2.0
"""An SA has one owner worker in each direction; other workers hand its packets over, in order."""

import base64
import json

import pytest

import esp_wire
from localapi import ApiError, structs
from net import Net, program, run, wait_for
from pair import SPI, Pair
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
