# SPDX-License-Identifier: Apache-2.0
"""A rig: fake controller, agent, fake forwarder, all in one temporary directory."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'lib'))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from fake_controller import Authority, FakeController  # noqa: E402
from localapi import LocalApi  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get('ISTHMUS_BUILD', ROOT / 'build'))


def wait_until(what, timeout=10, tick=0.005):
    """The first true value of what(); errors of a peer that is not there count as false."""
    end = time.monotonic() + timeout
    while True:
        try:
            value = what()
        except (OSError, AssertionError):
            value = None
        if value:
            return value
        assert time.monotonic() < end, 'waited %s s in vain' % timeout
        time.sleep(tick)


class Rig:
    def __init__(self, directory):
        self.dir = Path(directory)
        self.authority = Authority(self.dir / 'ca')
        self.controller = FakeController(self.authority)
        self.forwarder_path = self.dir / 'forwarder.sock'
        self.agent_path = self.dir / 'agent.sock'
        self.netns_dir = self.dir / 'netns'
        self.netns_dir.mkdir()
        self.pki = self.dir / 'pki'
        self.log = (self.dir / 'agent.log').open('ab')
        self.forwarder = self.agent = self.bgp = self.ike = self.carrier = None
        self.ike_address = '127.%d.%d.1' % (os.getpid() // 250 % 250 + 1, os.getpid() % 250)

    def certify(self, seconds=None):
        self.pki.mkdir(exist_ok=True)
        cert, key = self.authority.issue('GW1', seconds=seconds)
        shutil.copy(self.authority.cert, self.pki / 'ca.pem')
        (self.pki / 'identity.pem').write_text(cert.read_text() + key.read_text())

    def write_config(self, extra=''):
        (self.dir / 'agent.conf').write_text(
            'controller %s\nname GW1\ndirectory %s/state\ncertificates %s\ntoken-file %s/token\n'
            'forwarder %s\nsocket %s\nnetns-directory %s\nnumber %d\n%s'
            % (self.controller.url, self.dir, self.pki, self.dir, self.forwarder_path,
               self.agent_path, self.netns_dir, os.getpid(), extra))

    def start_forwarder(self):
        self.forwarder = subprocess.Popen([BUILD / 'tests/agent/fake-forwarder', self.forwarder_path])
        wait_until(lambda: LocalApi(self.forwarder_path))

    def start_bgp(self):
        """The real one; its routes go to the forwarder of the rig."""
        self.bgp_path = self.dir / 'bgp.sock'
        self.bgp = subprocess.Popen([BUILD / 'bgp/isthmus-bgp', '--socket', self.bgp_path,
                                     '--forwarder', self.forwarder_path], stderr=self.log)
        wait_until(lambda: LocalApi(self.bgp_path))

    def start_ike(self):
        """The real one, over a stand-in that carries its datagrams on 127.0.0.x."""
        self.ike_path = self.dir / 'ike.sock'
        carrier = self.dir / 'ike-forwarder.sock'
        if not self.carrier:
            self.carrier = subprocess.Popen([BUILD / 'ike/ike-test-forwarder', carrier, self.ike_address], stdout=subprocess.DEVNULL)
            wait_until(lambda: LocalApi(carrier))
        self.ike = subprocess.Popen([BUILD / 'ike/isthmus-ike', '--socket', self.ike_path, '--forwarder', carrier],
                                    stderr=self.log)
        wait_until(lambda: LocalApi(self.ike_path))

    def start_agent(self):
        self.write_config('\n'.join('%s %s' % (word, path) for word, path in
                                    (('bgp', getattr(self, 'bgp_path', None)), ('ike', getattr(self, 'ike_path', None))) if path))
        self.agent = subprocess.Popen([BUILD / 'agent/isthmus-agent', '-v', '-c', self.dir / 'agent.conf'],
                                      stderr=self.log)

    def start(self):
        self.certify()
        self.start_forwarder()
        self.start_agent()

    @staticmethod
    def kill(process):
        if process and process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait(10)

    def api(self):
        return LocalApi(self.forwarder_path)

    def dump(self, word):
        with self.api() as api:
            return api.dump(word)

    def changes(self):
        """Messages that changed anything in the forwarder, by type."""
        with self.api() as api:
            return sum(c.sets + c.dels for c in api.dump('message_count'))

    def messages(self):
        with self.api() as api:
            return sum(c.sets + c.dels + c.unchanged + c.refused for c in api.dump('message_count'))

    def agent_status(self):
        with LocalApi(self.agent_path) as api:
            return api.dump('agent_status')[0]

    def agent_log(self):
        return (self.dir / 'agent.log').read_text()

    def namespace(self, vrf):
        return self.netns_dir / ('ist-%d-%d' % (os.getpid(), vrf))

    def inside(self, vrf, *argv, **options):
        return subprocess.run(['nsenter', '--net=%s' % self.namespace(vrf), *map(str, argv)], check=True,
                              capture_output=True, text=True, timeout=20, **options).stdout

    def close(self):
        if self.agent and self.agent.poll() is None:
            self.agent.terminate()
            try:
                self.agent.wait(10)
            except subprocess.TimeoutExpired:
                self.kill(self.agent)
        self.kill(self.forwarder)
        self.kill(self.bgp)
        self.kill(self.ike)
        self.kill(self.carrier)
        for path in self.netns_dir.iterdir():
            subprocess.run(['umount', '-l', path], check=False, capture_output=True)
        self.controller.close()
        self.log.close()


@pytest.fixture
def bare_rig(tmp_path):
    rig = Rig(tmp_path)
    yield rig
    rig.close()
    print(rig.agent_log())


@pytest.fixture
def rig(bare_rig):
    bare_rig.start()
    return bare_rig
