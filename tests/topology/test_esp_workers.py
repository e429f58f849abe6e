# SPDX-License-Identifier: Apache-2.0
"""An SA has one owner worker in each direction; other workers hand its packets over, in order."""

import base64
import json

import pytest

import esp_wire
from localapi import ApiError, structs
from net import Net, program, run
from pair import Pair
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
    for account in accounts:
        assert (account["lost"], account["duplicates"], account["reordered"]) == (0, 0, 0), account
    for side in ("a", "b"):
        # Both workers took packets from the wire: half of them had to be handed over.
        took = [after - then for after, then in zip(received(pair, side), before[side])]
        assert min(took) > 200, took
    for spi, packets in esp_wire.read(tmp_path / "wire.pcap").items():
        numbers = [p.seq for p in packets]
        assert len(numbers) > 7000 and numbers == sorted(set(numbers)), hex(spi)


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
