# SPDX-License-Identifier: Apache-2.0
"""A BGP speaker that only says what it is told to: for random, hostile and equal input to several."""

import socket
import struct
import threading

from net import wait_for

MARKER = b"\xff" * 16


def message(kind, body=b""):
    return MARKER + struct.pack(">HB", 19 + len(body), kind) + body


def attribute(flags, code, value):
    return struct.pack(">BBH", flags | 0x10, code, len(value)) + value


def prefix_bytes(text):
    address, length = text.split("/")
    return bytes([int(length)]) + socket.inet_aton(address)[:(int(length) + 7) // 8]


def announcement(prefixes, next_hop, path, origin=0, med=None, local_pref=None, extra=b""):
    attrs = attribute(0x40, 1, bytes([origin]))
    attrs += attribute(0x40, 2, struct.pack(">BB%dI" % len(path), 2, len(path), *path) if path else b"")
    attrs += attribute(0x40, 3, socket.inet_aton(next_hop))
    if med is not None:
        attrs += attribute(0x80, 4, struct.pack(">I", med))
    if local_pref is not None:
        attrs += attribute(0x40, 5, struct.pack(">I", local_pref))
    attrs += extra
    return message(2, struct.pack(">HH", 0, len(attrs)) + attrs + b"".join(prefix_bytes(p) for p in prefixes))


def withdrawal(prefixes):
    gone = b"".join(prefix_bytes(p) for p in prefixes)
    return message(2, struct.pack(">H", len(gone)) + gone + b"\0\0")


class Sender:
    """Connects from `local` in the namespace, greets, and keeps the session alive."""

    def __init__(self, ns, local, remote, asn, hold=90, answers=True):
        self.local, self.asn = local, asn
        self.sock = wait_for(lambda: self._connect(ns, local, remote), 10, "%s to listen" % remote)
        caps = struct.pack(">BBHBB", 1, 4, 1, 0, 1) + struct.pack(">BBI", 65, 4, asn)
        body = struct.pack(">BHH4sB", 4, asn if asn < 65536 else 23456, hold, socket.inet_aton(local), len(caps) + 2)
        self.sock.sendall(message(1, body + bytes([2, len(caps)]) + caps))
        self.received = {}
        self.lock = threading.Lock()
        self.read_until(4)
        self.send(message(4))
        self.closed = False
        if answers:
            threading.Thread(target=self._keep, daemon=True).start()

    @staticmethod
    def _connect(ns, local, remote):
        with ns.entered():
            sock = socket.socket()
        sock.bind((local, 0))
        sock.settimeout(20)
        try:
            sock.connect((remote, 179))
        except ConnectionRefusedError:
            sock.close()
            return None
        return sock

    def _exact(self, size):
        data = b""
        while len(data) < size:
            part = self.sock.recv(size - len(data))
            if not part:
                raise ConnectionResetError("closed")
            data += part
        return data

    def read_one(self):
        head = self._exact(19)
        size, kind = struct.unpack(">HB", head[16:])
        body = self._exact(size - 19)
        self.received[kind] = self.received.get(kind, 0) + 1
        self.last_notification = body[:2] if kind == 3 else None
        return kind

    def read_until(self, kind):
        self.sock.sendall(b"")
        while True:
            got = self.read_one()
            if got == 1:
                self.send(message(4))
            if got == kind:
                return
            if got == 3:
                raise ConnectionResetError("refused with %r" % self.last_notification)

    def _keep(self):
        try:
            while True:
                if self.read_one() == 4:
                    self.send(message(4))
        except OSError:
            self.closed = True

    def send(self, data):
        with self.lock:
            self.sock.sendall(data)

    def close(self):
        self.sock.close()
