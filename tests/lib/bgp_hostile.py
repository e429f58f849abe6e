#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A BGP neighbour that means harm, as a process of its own in the namespace it is started in.

   bgp_hostile.py million|flap|sessions|garbage LOCAL REMOTE AS SECONDS

Does it for so long, then prints how many bytes it got off and how many sessions it began.
"""

import os
import random
import socket
import struct
import sys
import time

from bgp_sender import attribute, message

NLRI_A_MESSAGE = 800


def greeting(local, asn):
    caps = struct.pack(">BBHBB", 1, 4, 1, 0, 1) + struct.pack(">BBI", 65, 4, asn)
    body = struct.pack(">BHH4sB", 4, asn if asn < 65536 else 23456, 180, socket.inet_aton(local), len(caps) + 2)
    return message(1, body + bytes([2, len(caps)]) + caps) + message(4)


def updates(local, asn, prefixes):
    """Of many /24 of all the address space, a few hundred a message, each message with a path of its own."""
    for first in range(0, prefixes, NLRI_A_MESSAGE):
        nlri = b"".join(b"\x18" + (0x010000 + n).to_bytes(3, "big") for n in range(first, min(first + NLRI_A_MESSAGE, prefixes)))
        attrs = attribute(0x40, 1, b"\0") + attribute(0x40, 2, struct.pack(">BBII", 2, 2, asn, 70000 + first))
        attrs += attribute(0x40, 3, socket.inet_aton(local))
        yield message(2, struct.pack(">HH", 0, len(attrs)) + attrs + nlri), message(2, struct.pack(">H", len(nlri)) + nlri + b"\0\0")


class Hostile:
    def __init__(self, local, remote, asn, seconds):
        self.local, self.remote, self.asn = local, remote, asn
        self.until, self.sent, self.sessions = time.monotonic() + seconds, 0, 0

    def goes_on(self):
        return time.monotonic() < self.until

    def session(self, data):
        """One connection: greets, sends until it is closed, as fast as it is taken. Answers are thrown away."""
        sock = socket.socket()
        sock.settimeout(0.2)
        try:
            sock.bind((self.local, 0))
            sock.connect((self.remote, 179))
            self.sessions += 1
            for chunk in data:
                view = memoryview(chunk)
                while view and self.goes_on():
                    try:
                        done = sock.send(view)
                        self.sent += done
                        view = view[done:]
                    except TimeoutError:
                        pass
                    sock.setblocking(False)
                    try:
                        if not sock.recv(1 << 16):
                            return
                    except BlockingIOError:
                        pass
                    sock.settimeout(0.2)
                if not self.goes_on():
                    return
        except OSError:
            time.sleep(0.005)
        finally:
            sock.close()

    def run(self, data):
        while self.goes_on():
            self.session(data())
        print(self.sent, self.sessions)


def main():
    mode, local, remote, asn, seconds = sys.argv[1:]
    asn = int(asn)
    hello = greeting(local, asn)
    hostile = Hostile(local, remote, asn, float(seconds))
    if mode == "million":
        told = [a for a, _ in updates(local, asn, 1000000)]
        hostile.until = time.monotonic() + float(seconds)

        def million():
            yield hello
            yield from told
            while hostile.goes_on():
                yield message(4)
                time.sleep(0.1)
        hostile.run(million)
    elif mode == "flap":
        pairs = list(updates(local, asn, 4000))

        def flap():
            yield hello
            while True:
                for told, gone in pairs:
                    yield told + gone
        hostile.run(flap)
    elif mode == "sessions":
        told = b"".join(a for a, _ in updates(local, asn, 4000))
        hostile.run(lambda: [hello, told])
    else:
        rnd, noise = random.Random(1), [os.urandom(1 << 16) for _ in range(16)]
        hostile.run(lambda: ([hello] if rnd.random() < 0.5 else []) + ([b"\xff" * 16] if rnd.random() < 0.5 else []) + noise)


main()
