# SPDX-License-Identifier: Apache-2.0
"""BFD: what 1 000 sessions at 3 x 300 ms cost the whole forwarder, its worker included.

   forwarder A, 32 addresses ---- veth ---- forwarder B, 32 addresses: 1 000 of the pairs
"""

import itertools
import os
import time

import localapi
from net import Net, wait_for

SESSIONS, ADDRESSES = 1000, 32


def _connect(path):
    try:
        return localapi.LocalApi(path)
    except OSError:
        return None


def _cpu_s(process):
    fields = open('/proc/%d/stat' % process.pid, encoding='ascii').read().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def sessions(context, wanted):
    with Net() as net:
        ends = [net.namespace('a'), net.namespace('b')]
        net.link(ends[0], 'up0', ends[1], 'up0', mtu=1500)
        processes, apis = [], []
        for i, ns in enumerate(ends):
            path = net.dir / (ns.name + '.sock')
            processes.append(net.spawn('forwarder-' + ns.name, [
                context.build / 'forwarder' / 'isthmus-forwarder', '--socket', path, '--no-huge', '--buffers', '8192',
                '--port', 'up0=af_packet:up0'], ns))
            apis.append(wait_for(lambda p=path: _connect(p), 30, 'the forwarder answers'))
        address = [['10.9.%d.%d' % (i, n + 1) for n in range(ADDRESSES)] for i in range(2)]
        pairs = list(itertools.product(range(ADDRESSES), repeat=2))[:SESSIONS]
        for i, api in enumerate(apis):
            for a in address[i]:
                api.set('underlay_addr', port=0, addr=localapi.ip(a), prefix_len=16)
            api.set_many('bfd', [api.make('bfd', local=localapi.ip(address[i][p[i]]), multiplier=3,
                                          remote=localapi.ip(address[1 - i][p[1 - i]])) for p in pairs])
        up = localapi.constants['API_BFD_UP']
        wait_for(lambda: all(s.state == up for s in apis[0].dump('bfd_state')), 60, 'all sessions up')
        before, start = _cpu_s(processes[0]), time.monotonic()
        flaps = sum(s.transitions for s in apis[0].dump('bfd_state'))
        time.sleep(max(10, context.seconds))  # what is measured is this span
        percent = (_cpu_s(processes[0]) - before) / (time.monotonic() - start) * 100
        after = apis[0].dump('bfd_state')
        if sum(s.transitions for s in after) != flaps or len(after) != SESSIONS:
            return {}
        return {'bfd_1000_core_percent': percent}
