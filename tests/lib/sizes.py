# SPDX-License-Identifier: Apache-2.0
"""IP packets of every size to an address, each accounted for: answered, refused with an ICMP error,
or gone without a word."""

import select
import socket
import struct
import time

IPV6_MTU_DISCOVER, IPV6_DONTFRAG, IP_MTU_DISCOVER, PROBE, DONT = 23, 62, 10, 3, 0
IDENT, WINDOW = 0x4953, 24
AGAIN_S, TRIES = 0.25, 12  # errors are limited by rate: who gets no word asks again


def _checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data[:len(data) & ~1])) + (data[-1] << 8 if len(data) % 2 else 0)
    total = (total & 0xffff) + (total >> 16)
    return ~((total & 0xffff) + (total >> 16)) & 0xffff


def pattern(size):
    return (bytes(range(251)) * (size // 251 + 1))[:size]


class Sizes:
    """ICMP echo from `ns`; sizes are those of whole IP packets."""

    def __init__(self, ns, address, dont_fragment):
        self.v6 = ":" in address
        self.address, self.header = address, 48 if self.v6 else 28
        with ns.entered():
            self.sock = socket.socket(socket.AF_INET6 if self.v6 else socket.AF_INET, socket.SOCK_RAW,
                                      socket.IPPROTO_ICMPV6 if self.v6 else socket.IPPROTO_ICMP)
        mode = PROBE if dont_fragment else DONT
        if self.v6:
            self.sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, mode)
            self.sock.setsockopt(socket.IPPROTO_IPV6, IPV6_DONTFRAG, 1 if dont_fragment else 0)
        else:
            self.sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, mode)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.sock.settimeout(5)

    def _send(self, size):
        body = pattern(size - self.header)
        head = struct.pack("!BBHHH", 128 if self.v6 else 8, 0, 0, IDENT, size)
        if not self.v6:
            head = struct.pack("!BBHHH", 8, 0, _checksum(head + body), IDENT, size)
        self.sock.sendto(head + body, (self.address, 0))

    def _read(self):
        """(size, "answered" or an MTU), or None for what is about something else."""
        data = self.sock.recv(70000)
        if not self.v6:
            data = data[(data[0] & 0xf) * 4:]
        kind, code, _, ident, sequence = struct.unpack("!BBHHH", data[:8])
        if kind == (129 if self.v6 else 0) and ident == IDENT:
            assert data[8:] == pattern(sequence - self.header), "%d bytes came back changed" % sequence
            return sequence, "answered"
        about = data[8 + (40 if self.v6 else 20):]
        if len(about) < 8 or struct.unpack("!H", about[4:6])[0] != IDENT:
            return None
        size = struct.unpack("!H", about[6:8])[0]
        if self.v6 and kind == 2:
            return size, struct.unpack("!I", data[4:8])[0]
        return (size, sequence) if not self.v6 and (kind, code) == (3, 4) else None

    def ask_all(self, sizes):
        """{"answered", the MTU of an ICMP error, or "silence": [sizes]}"""
        left, waiting, said = list(reversed(sizes)), {}, {}
        while left or waiting:
            while left and len(waiting) < WINDOW:
                self._send(left[-1])
                waiting[left.pop()] = [time.monotonic() + AGAIN_S, TRIES]
            first = min(deadline for deadline, _ in waiting.values())
            if select.select([self.sock], [], [], max(0, first - time.monotonic()))[0]:
                size, what = self._read() or (None, None)
                if waiting.pop(size, None):
                    said[size] = what
                continue
            for size, entry in list(waiting.items()):
                if entry[0] > time.monotonic():
                    continue
                if entry[1] == 0:
                    said[size] = "silence"
                    del waiting[size]
                    continue
                self._send(size)
                waiting[size] = [time.monotonic() + AGAIN_S, entry[1] - 1]
        self.sock.close()
        return {what: sorted(s for s in said if said[s] == what) for what in set(said.values())}
