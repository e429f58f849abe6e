# SPDX-License-Identifier: Apache-2.0
"""A cable that looks at what it carries: IKE can be lost or late by rule, all else passes at once.

    wire = Wire(namespace, "u-gw", "u-far")
    wire.rule = lambda message: None (lost) or seconds (late by; 0: at once)

Also tells when both ends had an exchange of one IKE_SA under way at the same time.
"""

import dataclasses
import heapq
import select
import socket
import struct
import threading
import time

CREATE_CHILD_SA, RESPONSE = 36, 0x20


@dataclasses.dataclass(frozen=True)
class Message:
    """What an IKE message shows without its keys."""
    towards: str       # the interface it leaves by
    address: str       # of the end that is not the gateway's public one: told by `towards`
    spis: bytes
    exchange: int
    response: bool
    number: int
    data: bytes        # the header: equal in what is sent again


class Wire:
    def __init__(self, ns, a, b):
        with ns.entered():
            self.socks = {}
            for dev in (a, b):
                s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 << 20)
                s.bind((dev, 0))
                self.socks[dev] = s
        self.other = {self.socks[a]: (self.socks[b], b), self.socks[b]: (self.socks[a], a)}
        self.far_dev = b
        self.rule = lambda message: 0
        self.late, self.order = [], 0
        self.asked = {}       # (SPIs, towards) -> number of the request under way
        self.collisions = 0   # requests to create or rekey that met one of the other end's
        self.lost = self.delayed = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.ended.is_set():
            wait = max(0, min(0.1, self.late[0][0] - time.monotonic())) if self.late else 0.1
            for sock in select.select(list(self.other), [], [], wait)[0]:
                for _ in range(64):
                    try:
                        frame, sender = sock.recvfrom(65535, socket.MSG_DONTWAIT)
                    except BlockingIOError:
                        break
                    if sender[2] != socket.PACKET_OUTGOING:
                        self._carry(frame, *self.other[sock])
            while self.late and self.late[0][0] <= time.monotonic():
                _, _, frame, to = heapq.heappop(self.late)
                to.send(frame)

    def _carry(self, frame, to, dev):
        message = self._ike(frame, dev)
        delay = 0
        if message:
            delay = self.rule(message)
            if delay is None:
                self.lost += 1
                return
            self._watch(message)
        if delay:
            self.delayed += 1
            self.order += 1
            heapq.heappush(self.late, (time.monotonic() + delay, self.order, frame, to))
        else:
            to.send(frame)

    def _ike(self, frame, dev):
        if frame[12:14] != b"\x08\x00" or frame[23] != 17:
            return None
        at = 14 + 4 * (frame[14] & 15)
        ports = struct.unpack_from("!HH", frame, at)
        at += 8
        if 4500 in ports:
            if frame[at:at + 4] != bytes(4):
                return None
            at += 4
        elif 500 not in ports:
            return None
        head = frame[at:at + 28]
        if len(head) < 28:
            return None
        address = socket.inet_ntoa(frame[30:34] if dev == self.far_dev else frame[26:30])
        return Message(dev, address, head[:16], head[18], bool(head[19] & RESPONSE), struct.unpack_from("!I", head, 20)[0], head)

    def _watch(self, m):
        if m.exchange != CREATE_CHILD_SA:
            return
        if m.response:  # goes back to who asked
            back = next(name for name in self.socks if name != m.towards)
            self.asked.pop((m.spis, back), None)
            return
        against = next(name for name in self.socks if name != m.towards)
        if self.asked.get((m.spis, m.towards)) != m.number:
            self.asked[m.spis, m.towards] = m.number
            self.collisions += (m.spis, against) in self.asked

    def close(self):
        self.ended.set()
        self.thread.join()
        for sock in self.socks.values():
            sock.close()


def each_is_lost_once(seen=None):
    """A rule: the first copy of every message is lost, what is sent again passes."""
    seen = set() if seen is None else seen

    def rule(message):
        key = message.towards, message.data
        if key in seen:
            return 0
        seen.add(key)
        return None
    return rule
