# SPDX-License-Identifier: Apache-2.0
"""Who answers for an address, and when: asked by ARP all the time."""

import contextlib
import socket
import struct
import threading
import time


class Asker(threading.Thread):
    """Asks for addresses by ARP, each 500 times a second, and notes who answers."""

    def __init__(self, ns, dev, source, addresses):
        super().__init__(daemon=True)
        self.addresses, self.source, self.ended = addresses, source, threading.Event()
        self.answers = {a: [] for a in addresses}  # (time, MAC) in order
        with ns.entered():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
        self.sock.bind((dev, 0x0806))
        self.sock.settimeout(0.002)
        self.mac = self.sock.getsockname()[4]

    def run(self):
        while not self.ended.is_set():
            for a in self.addresses:
                self.sock.send(b"\xff" * 6 + self.mac + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1) +
                               self.mac + socket.inet_aton(self.source) + bytes(6) + socket.inet_aton(a))
            self._listen(time.monotonic() + 0.002)

    def _listen(self, until):
        while time.monotonic() < until:
            with contextlib.suppress(TimeoutError):
                frame = self.sock.recv(2048)
                sender = socket.inet_ntoa(frame[28:32])
                if frame[20:22] == b"\0\2" and frame[:6] == self.mac and sender in self.answers:
                    self.answers[sender].append((time.monotonic(), frame[22:28].hex(":")))

    def stop(self):
        self.ended.set()
        self.join(5)
        self.sock.close()
