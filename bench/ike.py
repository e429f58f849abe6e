# SPDX-License-Identifier: Apache-2.0
"""isthmus-ike at size: two of them in two namespaces, 1 000 sites against one public address.

The peer is a second isthmus-ike, since no other peer here can be 1 000 sites on a share of one
core; stand-ins carry the datagrams (ike/test_forwarder.c) and take the SAs. x25519, AES-256-GCM.
"""

import ctypes
import ipaddress
import time

import localapi
from localapi import LocalApi, constants
from net import Net, program, wait_for

VIP = '192.0.2.1'
ENABLED, INITIATE = 1, 2
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

    def configure(self, count, flags, is_gateway):
        credentials, conns = [], []
        for i in range(1, count + 1):
            c = localapi.structs['api_ike_conn']()
            c.conn, c.vrf, c.slot, c.auth, c.flags = i, i, 1 + i % 16, 1, flags
            site, vip = _address(_site(i)), _address(VIP)
            c.local, c.remote = (vip, site) if is_gateway else (site, vip)
            name = b'site%d' % i
            if is_gateway:
                c.remote_id = name
            else:
                c.local_id, c.remote_id = name, VIP.encode()
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

    def up(self):
        with LocalApi(self.socket, timeout=60) as api:
            return sum(s.state == constants['API_IKE_UP'] for s in api.dump('ike_state'))

    def rss_kb(self):
        with open('/proc/%d/status' % self.ike.pid) as status:
            return int(next(line for line in status if line.startswith('VmRSS')).split()[1])


def _race(net, dialler_is_gateway, count=1000):
    """Seconds until `count` tunnels stand, and the gateway's growth in kB."""
    gw_ns, site_ns = net.namespace('gw%d' % dialler_is_gateway), net.namespace('site%d' % dialler_is_gateway)
    net.link(gw_ns, 'u0', site_ns, 'u0', mtu=1500)
    gw_ns.ip('addr add %s/24 dev u0' % VIP, 'route add 10.64.0.0/10 dev u0')
    site_ns.ip('addr add 192.0.2.2/24 dev u0', *['addr add %s/32 dev lo' % _site(i) for i in range(1, count + 1)])
    gw_ns.ip('route replace 10.64.0.0/10 via 192.0.2.2')
    gw = Side(net, 'gw%d' % dialler_is_gateway, gw_ns, [VIP])
    site = Side(net, 'site%d' % dialler_is_gateway, site_ns, [_site(i) for i in range(1, count + 1)])
    first, second = (site, gw) if dialler_is_gateway else (gw, site)
    first.configure(count, ENABLED, first is gw)
    before = gw.rss_kb()
    start = time.monotonic()
    second.configure(count, ENABLED | INITIATE, second is gw)
    wait_for(lambda: gw.up() == count, 120, '%d tunnels' % count, step=0.05)
    return time.monotonic() - start, gw.rss_kb() - before


def scale(context, wanted):
    results = {}
    with Net() as net:
        if 'ike_load_5000_s' in wanted:
            ns = net.namespace('load')
            ns.ip('addr add %s/32 dev lo' % VIP)
            results['ike_load_5000_s'] = Side(net, 'load', ns, [VIP]).configure(5000, ENABLED, True)
        if {'ike_respond_1000_s', 'ike_tunnel_kb'} & set(wanted):
            seconds, kb = _race(net, False)
            results.update(ike_respond_1000_s=seconds, ike_tunnel_kb=kb / 1000)
        if 'ike_initiate_1000_s' in wanted:
            results['ike_initiate_1000_s'] = _race(net, True)[0]
    return {k: v for k, v in results.items() if k in wanted}
