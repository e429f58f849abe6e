# SPDX-License-Identifier: Apache-2.0
"""ESP as it was on the wire: sequence numbers and explicit IVs from a capture file."""

import collections
import struct

from net import wait_for

Packet = collections.namedtuple("Packet", "time seq iv frame")


def frames(path):
    """(time, bytes) of a classic pcap file of Ethernet."""
    data = path.read_bytes()
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    at = 24
    while at + 16 <= len(data):
        seconds, fraction, size, _ = struct.unpack_from(order + "IIII", data, at)
        yield seconds + fraction / 1e6, data[at + 16:at + 16 + size]
        at += 16 + size


def read(path):
    """{SPI: [Packet]} of all IPv4 ESP, as captured. The IV is the 8 bytes of a counter nonce."""
    found = collections.defaultdict(list)
    for time, frame in frames(path):
        if frame[12:14] != b"\x08\x00" or frame[23] != 50:
            continue
        at = 14 + (frame[14] & 15) * 4
        spi, seq, iv = struct.unpack_from(">IIQ", frame, at)
        found[spi].append(Packet(time, seq, iv, frame))
    return dict(found)


def until(path, spi, seq):
    """read() once the capture has come as far as that packet."""
    return wait_for(lambda: (lambda seen: seen if seen.get(spi) and seen[spi][-1].seq >= seq else None)(read(path)), 10,
                    "the capture has packet %d" % seq)
