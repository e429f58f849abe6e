# SPDX-License-Identifier: Apache-2.0
"""Somebody on the way says that our ESP is too big: whom the gateway believes, and what tenants notice."""

import struct

import pytest

import esp_wire
from net import Net, wait_for
from pair import SPI, Pair
from traffic import capture, inject, ping

ROUTER_MTU = 1300


@pytest.fixture(scope="module")
def pair():
    with Net() as net:
        yield Pair(net, esn=False, offload=False)


def checksum(data):
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    total = (total & 0xffff) + (total >> 16)
    return ~((total & 0xffff) + (total >> 16)) & 0xffff


def too_big(frame, mtu=ROUTER_MTU):
    """The ICMP error that a router with that MTU sends about an ESP frame (RFC 792, RFC 1191)."""
    quoted = frame[14:14 + 28]
    icmp = struct.pack(">BBHHH", 3, 4, 0, 0, mtu) + quoted
    icmp = icmp[:2] + struct.pack(">H", checksum(icmp)) + icmp[4:]
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(icmp), 1, 0, 64, 1, 0) + bytes([203, 0, 113, 9]) + quoted[12:16]
    header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
    return frame[6:12] + frame[:6] + b"\x08\x00" + header + icmp


def test_path_mtu_is_learnt_from_a_plausible_error_only(pair, tmp_path):
    a = pair.machines["a"]
    wait_for(lambda: ping(a, pair.address("b"), 1), 10, "the first packet passes")
    with capture(pair.gateways["b"], "up0", tmp_path / "wire.pcap", "ip proto 50"):
        assert ping(a, pair.address("b"), 1, size=1372, df=True) == 1
        wait_for(lambda: any(len(p.frame) > 1400 for p in esp_wire.read(tmp_path / "wire.pcap").get(SPI["b"], [])), 5, "a large packet")
    frame = [p.frame for p in esp_wire.read(tmp_path / "wire.pcap")[SPI["b"]] if len(p.frame) > 1400][-1]
    before = pair.stats("a")["OUT"].inner_mtu
    done = counter(pair)
    at = 14 + 20
    unsent = frame[:at + 4] + struct.pack(">I", struct.unpack_from(">I", frame, at + 4)[0] + 1000) + frame[at + 8:]
    stranger = frame[:at] + b"\x0b\xad\x0b\xad" + frame[at + 4:]
    inject(pair.gateways["b"], "up0", [too_big(unsent), too_big(stranger), too_big(frame[:16] + b"\x02\x00" + frame[18:])])
    wait_for(lambda: counter(pair) >= done + 3, 5, "the errors have come")
    assert pair.stats("a")["OUT"].inner_mtu == before
    assert ping(a, pair.address("b"), 1, size=1372, df=True) == 1
    inject(pair.gateways["b"], "up0", too_big(frame))
    wait_for(lambda: pair.stats("a")["OUT"].inner_mtu < ROUTER_MTU, 5, "it is learnt")
    inner = pair.stats("a")["OUT"].inner_mtu
    assert inner == (ROUTER_MTU - 20 - 8 - 8 - 16) // 4 * 4 - 2
    # What no longer fits ends here with a reason, and what fits exactly passes.
    with pair.api("a") as api:
        exceeded = api.counters().get("drop.mtu_exceeded", 0)
        assert ping(a, pair.address("b"), 1, size=inner - 27, df=True) == 0
        assert api.counters()["drop.mtu_exceeded"] == exceeded + 1
    assert ping(a, pair.address("b"), 1, size=inner - 28, df=True) == 1
    # Never below what IPv4 must carry, whatever they say.
    inject(pair.gateways["b"], "up0", too_big(frame, mtu=68))
    wait_for(lambda: pair.stats("a")["OUT"].inner_mtu < inner, 5, "it is learnt")
    assert pair.stats("a")["OUT"].inner_mtu == (576 - 20 - 8 - 8 - 16) // 4 * 4 - 2


def counter(pair):
    """Packets that have reached the node for the gateway itself."""
    with pair.api("a") as api:
        return sum(n.packets for n in api.dump("node_stats") if n.name == b"local")
