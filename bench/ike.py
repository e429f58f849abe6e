# SPDX-License-Identifier: Apache-2.0
"""isthmus-ike at size: 1 000 sites against one public address.

Both sides are a forwarder with isthmus-ike, since no other peer here can be 1 000 sites on a share of
two cores: tests/topology/many_tenants.py. Loading is measured with a stand-in for the forwarder
(ike/test_forwarder.c). x25519, AES-256-GCM, PSK.
"""

import ctypes
import ipaddress
import sys
import time
from pathlib import Path

import localapi
from localapi import LocalApi, constants
from net import Net, program, wait_for

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'tests' / 'topology'))

import many_tenants  # noqa: E402

VIP = '192.0.2.1'
ENABLED = 1
AES_GCM_16, PRF_SHA2_256, CURVE25519 = 20, 5, 31


def _address(text):
    ip = ipaddress.ip_address(text)
    a = localapi.structs['ip_addr'](family=ip.version)
    ctypes.memmove(a.bytes, ip.packed, len(ip.packed))
    return a


def _site(i):
    return '10.%d.%d.%d' % (64 + i // 65536, i // 256 % 256, i % 256)


class Side:
    """isthmus-ike and its stand-in."""

    def __init__(self, net, name, ns, addresses):
        self.socket, forwarder = net.dir / (name + '.sock'), net.dir / (name + '-forwarder.sock')
        self.forwarder = net.spawn(name + '-forwarder', [program('ike-test-forwarder'), forwarder, *addresses], ns)
        wait_for(lambda: 'ready' in self.forwarder.output(), 10)
        self.ike = net.spawn(name, [program('isthmus-ike'), '--socket', self.socket, '--forwarder', forwarder], ns)
        wait_for(self._answers, 15, 'isthmus-ike answers')

    def _answers(self):
        try:
            LocalApi(self.socket).close()
            return True
        except OSError:
            return False

    def configure(self, count):
        """Seconds until that many connections are in place, each with its secret."""
        credentials, conns = [], []
        for i in range(1, count + 1):
            c = localapi.structs['api_ike_conn']()
            c.conn, c.vrf, c.slot, c.auth, c.flags = i, i, 1 + i % 16, 1, ENABLED
            c.local, c.remote = _address(VIP), _address(_site(i))
            c.remote_id = b'site%d' % i
            c.proposal_count = c.child_proposal_count = 1
            c.proposal[0].encr, c.proposal[0].encr_bits = AES_GCM_16, 256
            c.proposal[0].prf, c.proposal[0].dh = PRF_SHA2_256, CURVE25519
            c.child_proposal[0].encr, c.child_proposal[0].encr_bits = AES_GCM_16, 256
            conns.append(c)
            secret = b'secret of %d' % i
            k = localapi.structs['api_ike_credential'](conn=i, type=constants['API_IKE_CRED_PSK'])
            k.secret_size = len(secret)
            ctypes.memmove(k.secret, secret, len(secret))
            credentials.append(k)
        with LocalApi(self.socket, timeout=60) as api:
            start = time.monotonic()
            api.set_many('ike_credential', credentials)
            api.set_many('ike_conn', conns)
            return time.monotonic() - start


def _race(gateway_dials, count=1000):
    """Seconds from the first connection told until `count` tunnels stand, and what they cost the gateway's forwarder and isthmus-ike
    together, in kB: the connections themselves, their routes and their SAs."""
    with Net() as net:
        lab = many_tenants.Lab(net, count)
        dialler = lab.gw if gateway_dials else lab.far
        before = lab.gw.resident_kb()
        for side in (lab.gw, lab.far):
            side.tunnels()
        lab.other(dialler).keying(many_tenants.ENABLED)
        start = time.monotonic()
        dialler.keying(many_tenants.ENABLED | many_tenants.INITIATE)
        wait_for(lambda: lab.gw.up() == count, 120, '%d tunnels' % count, step=0.05)
        return time.monotonic() - start, lab.gw.resident_kb() - before


def scale(context, wanted):
    results = {}
    if 'ike_load_5000_s' in wanted:
        with Net() as net:
            ns = net.namespace('load')
            ns.ip('addr add %s/32 dev lo' % VIP)
            results['ike_load_5000_s'] = Side(net, 'load', ns, [VIP]).configure(5000)
    if {'ike_respond_1000_s', 'ike_tunnel_kb'} & set(wanted):
        seconds, kb = _race(False)
        results.update(ike_respond_1000_s=seconds, ike_tunnel_kb=kb / 1000)
    if 'ike_initiate_1000_s' in wanted:
        results['ike_initiate_1000_s'] = _race(True)[0]
    return {k: v for k, v in results.items() if k in wanted}
