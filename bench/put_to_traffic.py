# SPDX-License-Identifier: Apache-2.0
"""From the PUT of a new connection until its first packet came back from the site, in the lab.

  vm1 10.0.0.4 -- host h1 -- VXLAN -- gateway -- GRE, a key for each connection -- site 10.3.N.10

The whole product as in tests/topology/controlled.py: REST, store, plan, southbound, agent and
forwarder, and a host that follows the controller's host routes. An echo request leaves the machine
every PROBE_S from before the PUT on; what is measured ends when the first one is answered, which
takes a working path in both directions. Connections stay, so that each is one more beside those before.
"""

import os
import select
import socket
import statistics
import struct
import sys
import threading
import time
from pathlib import Path

CONNECTIONS = 60
PROBE_S = 0.001
LIMIT_S = 10
FIRST_KEY = 7000


def checksum(data):
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff


def echo(number):
    blank = struct.pack('!BBHHH', 8, 0, 0, 0x1575, number)
    return struct.pack('!BBHHH', 8, 0, checksum(blank), 0x1575, number)


class Machine:
    """vm1 with a socket that sends echo requests and sees their answers."""

    def __init__(self, ns):
        with ns.entered():
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)

    def until_answered(self, address, number):
        """Sends every PROBE_S until `address` answers; the time of the answer, or None."""
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            try:
                self.socket.sendto(echo(number), (address, 0))
            except OSError:
                pass  # told that there is no route yet
            next_s = time.monotonic() + PROBE_S
            while (left := next_s - time.monotonic()) > 0:
                if not select.select([self.socket], [], [], left)[0]:
                    break
                if self._is_answer(address, number):
                    return time.monotonic()
        return None

    def _is_answer(self, address, number):
        packet, sender = self.socket.recvfrom(2048)
        kind, _, _, _, sequence = struct.unpack_from('!BBHHH', packet, 20)
        return sender[0] == address and kind == 0 and sequence == number


class Follower(threading.Thread):
    """The host side: waits for the next change of the host routes and applies what is new."""

    def __init__(self, lab):
        super().__init__(daemon=True)
        self.lab, self.client, self.ended = lab, lab.client(), threading.Event()

    def run(self):
        revision = 0
        while not self.ended.is_set():
            body = self.client.get('hostRoutes?since=%d&wait=2' % revision)
            revision = body['revision']
            self.lab.hosts.apply(body['value'])


def site_of_many(lab, tenant):
    """The tenant's GRE site answers for every connection: the key follows the address."""
    site, vip = tenant.gre_site, lab.gre_vip(tenant)
    numbers = range(CONNECTIONS)
    site.lan_ns.ip(*['addr add 10.3.%d.10/32 dev lan0' % n for n in numbers])
    site.ovs.port('br-int', 'gre1', 'type=gre', 'options:remote_ip=' + vip, 'options:key=flow',
                  'options:local_ip=' + site.address, 'options:packet_type=legacy_l3', 'ofport_request=11')
    from site_ends import LAN_MAC, ROUTER_MAC
    to_lan = 'actions=mod_dl_dst:%s,mod_dl_src:%s,output:1' % (LAN_MAC, ROUTER_MAC)
    site.ovs.flows('br-int', *['in_port=%d,ip,%s' % (port, to_lan) for port in (10, 11)],
                   *['in_port=1,ip,nw_src=10.3.%d.10,priority=200,actions=set_field:%d->tun_id,output:11'
                     % (n, FIRST_KEY + n) for n in numbers], 'in_port=1,ip,priority=100,actions=output:10')
    return vip


def one(lab, tenant, machine, number):
    """Milliseconds of one connection."""
    import wanted
    path = 'virtualGateways/%s/networkConnections/More%d' % (tenant.name, number)
    body = wanted.gre_connection(tenant)
    body['inboundKiloBitsPerSecond'] = body['outboundKiloBitsPerSecond'] = 1000  # all of them fit
    body['greConfiguration'] = {'greKey': str(FIRST_KEY + number)}
    body['routes'] = [{'destinationPrefix': '10.3.%d.0/24' % number, 'metric': 10}]
    answered = []
    address = '10.3.%d.10' % number
    probe = threading.Thread(target=lambda: answered.append(machine.until_answered(address, number + 1)))
    probe.start()
    started = time.monotonic()
    lab.nc.put(path, body, wait=False)
    probe.join(LIMIT_S + 5)
    return (answered[0] - started) * 1000 if answered and answered[0] else None


def p50(context, wanted_names):
    os.environ['ISTHMUS_BUILD'] = str(context.build.resolve())
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'tests' / 'topology'))
    from controlled import whole_lab
    from scene import two_tenants
    with whole_lab(tenants=two_tenants()[:1], vlan=False) as lab:
        tenant = lab.tenants[0]
        vip = site_of_many(lab, tenant)
        machine, follower = Machine(tenant.vms['vm1'].ns), Follower(lab)
        follower.start()
        times = [one(lab, tenant, machine, n) for n in range(CONNECTIONS)]
        follower.ended.set()
        follower.join(10)
        if None in times or lab.gre_vip(tenant) != vip:
            print('  %d of %d connections never carried a packet' % (times.count(None), CONNECTIONS))
            return {}
    times.sort()
    print('  PUT to traffic, %d connections: least %.1f, half %.1f, 95 %% %.1f, most %.1f ms' % (
        len(times), times[0], statistics.median(times), times[int(len(times) * .95)], times[-1]))
    return {'put_to_traffic_p50_ms': statistics.median(times)}
