# SPDX-License-Identifier: Apache-2.0
# runs alone
"""Gateways and pools come and go as planned, under traffic: not one packet is lost.

   contoso, fabrikam (scene.py): GRE and VLAN sites; gw1 and gw2 active, gw3 redundant
"""

import contextlib
import socket
import struct
import threading
import time

import pytest

from net import wait_for
from pool import PoolLab
from traffic import flows

RATE = 250  # probes a second on each flow: 4 ms apart


@pytest.fixture(scope="module")
def lab():
    with PoolLab(3, 1) as it:
        assert wait_for(lambda: not it.scene.unreachable(), 20, "every tenant reaches its sites")
        yield it


def all_pairs(lab):
    return [p for t in lab.tenants for p in t.pairs()]


class Watched:
    """Flows over every connection for the length of the block, of which none may lose a packet."""

    def __init__(self, lab, capsys, what):
        self.lab, self.capsys, self.what = lab, capsys, what

    def __enter__(self):
        wait_for(lambda: not self.lab.scene.unreachable(2), 20, "traffic passes before")
        self.block = flows(*all_pairs(self.lab), rate=RATE)
        self.accounts = self.block.__enter__()
        return self

    def __exit__(self, *error):
        self.block.__exit__(*error)
        if error[0]:
            return
        lost, sent = (sum(a[k] for a in self.accounts) for k in ("lost", "sent"))
        with self.capsys.disabled():
            print("\n  %s: %d of %d probes lost in %d flows, %d ms apart, longest gap %.0f ms"
                  % (self.what, lost, sent, len(self.accounts), 1000 // RATE, max(a["longest_gap_ms"] for a in self.accounts)))
        assert lost == 0, self.accounts
        assert not any(a["foreign"] for a in self.accounts)


def holding(lab):
    """The gateways that hold connections."""
    names = {s["gateway"].lower() for s in lab.slots() if s["gateway"] and s["connections"]}
    return [m for m in lab.members if m.name.lower() in names]


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


def test_one_gateway_at_a_time_answers_for_an_address_that_moves(lab):
    victim = holding(lab)[0]
    moving = [s for s in lab.slots() if s["connections"] and s["gateway"].lower() == victim.name.lower()]
    addresses = sorted({a for s in moving for a in s["pa"] + s["greVip"]})
    host = lab.scene.hosts["h1"]
    asker = Asker(host.ns, "ul0", host.pa, addresses)
    asker.start()
    try:
        wait_for(lambda: all(asker.answers.values()), 10, "the holder answers")
        assert "holds 0 slots" in lab.cli("drain", victim.name).splitlines()[-1]
        now = {a: len(asker.answers[a]) for a in addresses}
        wait_for(lambda: all(len(asker.answers[a]) > now[a] + 100 for a in addresses), 10, "the new holder answers")
    finally:
        asker.stop()
        lab.cli("undrain", victim.name)
    for address, answers in asker.answers.items():
        first, last = answers[0][1], answers[-1][1]
        changes = [a for a, b in zip(answers, answers[1:]) if a[1] != b[1]]
        assert first != last, address
        assert len(changes) == 1, (address, changes)  # the former holder never again


def test_draining_a_gateway_loses_nothing(lab, capsys):
    with Watched(lab, capsys, "drain, undrain"):
        victim = holding(lab)[0]
        out = lab.cli("drain", victim.name)
        assert "holds 0 slots" in out.splitlines()[-1]
        assert victim not in holding(lab)
        assert "Passive" not in lab.cli("undrain", victim.name).splitlines()[-1]
