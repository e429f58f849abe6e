# SPDX-License-Identifier: Apache-2.0
"""A recorder beside the gateway: what it never sees, whatever IKE is doing.

   vm1 (h1) of contoso --VXLAN-- gateway --ESP in UDP-- site-contoso     as in test_ipsec.py
                                    |
                                recorder: every frame of the provider's port

Machines and sites ping all the time with a payload that can be told. In the hosts' VXLAN it is to be
seen (so the recorder works), towards the site never; no IV of a key is used twice.
"""

import socket
import struct
import threading

import pytest

from net import wait_for
from test_ipsec import MACHINE, VIP, Lab
from traffic import ping

PATTERN = "c1ea7e57"
MARK = bytes.fromhex(PATTERN) * 3
FRAMES_MAX = 500000
VXLAN, NAT_T = 4789, 4500


class Recorder:
    """All that passes an interface, in both directions, from here to stop()."""

    def __init__(self, ns, dev):
        with ns.entered():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 20)
            self.sock.bind((dev, 0))
        self.sock.settimeout(0.1)
        self.frames, self.ended = [], threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.ended.is_set() and len(self.frames) < FRAMES_MAX:
            try:
                self.frames.append(self.sock.recv(65535))
            except TimeoutError:
                continue

    def stop(self):
        self.ended.set()
        self.thread.join()
        self.sock.close()
        assert len(self.frames) < FRAMES_MAX, "the record is not complete"


def udp(frame):
    """(source address, destination port, payload) of an IPv4 UDP frame, else None."""
    if frame[12:14] != b"\x08\x00" or frame[23] != 17:
        return None
    at = 14 + 4 * (frame[14] & 15)
    return socket.inet_ntoa(frame[26:30]), struct.unpack_from("!H", frame, at + 2)[0], frame[at + 8:]


def nonces(frames):
    """(SPI, sequence number, IV) of all ESP that the gateway sent."""
    found = []
    for frame in frames:
        packet = udp(frame)
        if packet and packet[0] == VIP and packet[2][:4] not in (b"", b"\0\0\0\0") and len(packet[2]) > 24:
            found.append((packet[2][:4], packet[2][4:8], packet[2][8:16]))
    return found


@pytest.fixture
def lab():
    lab = Lab()
    yield lab
    lab.close()


class Story:
    def __init__(self, lab):
        self.lab, self.site = lab, lab.sites["contoso"]
        self.vm = self.site.tenant.vms["vm1"]
        # The switch's end of the cable: a packet socket of ours in the gateway would not see what it sends.
        self.recorder = Recorder(lab.scene.fabric.switch, ("%s.up0" % lab.scene.gateway_ns.name)[-15:])
        for ns, source, to in ((self.vm.ns, None, MACHINE), (self.site.ns, MACHINE, self.vm.addresses[0])):
            argv = ["ping", "-n", "-q", "-i", "0.02", "-p", PATTERN, *(["-I", source] if source else []), to]
            lab.scene.net.spawn("ping-" + ns.name, argv, ns)

    def passes(self):
        wait_for(lambda: ping(self.vm.ns, MACHINE), 15, "traffic passes")

    def rekeys(self):
        for what in ("--child", "--ike") * 3:
            self.site.swan.swanctl("--rekey", what, "hq")
            self.passes()

    def ike_dies(self):
        self.lab.ike.kill()
        self.lab.ike.proc.wait()
        self.passes()
        self.lab.start_ike()
        for site in self.lab.sites.values():
            self.lab.tell_ike(site)
        self.site.swan.swanctl("--terminate", "--ike", "hq", "--force", "--timeout", "1", check=False)
        self.site.swan.initiate("hq")
        self.passes()

    def disconnects(self):
        self.site.swan.swanctl("--terminate", "--ike", "hq", "--timeout", "5", check=False)
        assert not ping(self.vm.ns, MACHINE, 3)

    def half_opens(self):
        """The second exchange never ends: its answers are lost."""
        self.site.ns.run(["nft", "add table inet block; add chain inet block in { type filter hook input priority -300; }; "
                          "add rule inet block in udp sport %d drop" % NAT_T])
        self.site.swan.initiate("hq", check=False, timeout=3)
        self.site.ns.run(["nft", "delete table inet block"])


def test_a_recorder_sees_no_plaintext_whatever_ike_does(lab):
    story = Story(lab)
    assert not ping(story.vm.ns, MACHINE, 3)
    story.half_opens()
    story.site.swan.swanctl("--terminate", "--ike", "hq", "--force", "--timeout", "1", check=False)
    story.site.swan.initiate("hq")
    story.passes()
    story.rekeys()
    story.ike_dies()
    story.rekeys()
    story.disconnects()
    story.recorder.stop()
    inside = [f for f in story.recorder.frames if (udp(f) or (0, 0))[1] == VXLAN]
    outside = [f for f in story.recorder.frames if (udp(f) or (0, 0))[1] != VXLAN]
    assert sum(MARK in f for f in inside) > 100, "the recorder sees what there is"
    assert [f for f in outside if MARK in f] == []
    used = nonces(outside)
    assert len(used) > 100 and len({spi for spi, _, _ in used}) >= 6
    assert len({(spi, iv) for spi, _, iv in used}) == len(used), "an IV came twice"
    assert len({(spi, sequence) for spi, sequence, _ in used}) == len(used), "a sequence number came twice"
