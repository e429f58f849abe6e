# SPDX-License-Identifier: Apache-2.0
"""Benches of the forwarder: one worker core, through memif or the replay port."""

import fcntl
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import localapi

FLOWS = 1 << 20
LOST_AT_MOST = 0.001
PORT_MAC = '02:00:00:00:00:a0'
HUGEPAGES = Path('/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages')
WORLD = (1000, 1000, 100)       # tenants, connections, routes of each
WORLD_10K = (4000, 10000, 10)


class Context:
    """Files, hugepages and processes of one call of bench/run."""

    def __init__(self, build, seconds, runs):
        self.build, self.seconds, self.runs = build, seconds, runs
        self.processes = []

    def __enter__(self):
        self.lock = open('/tmp/isthmus-bench.lock', 'w', encoding='ascii')
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.tmp = tempfile.TemporaryDirectory(prefix='isthmus-bench-')
        self.dir = Path(self.tmp.name)
        self.pages = None
        try:
            self.pages = HUGEPAGES.read_text()
            HUGEPAGES.write_text('1024')
        except OSError:
            note('no hugepages to be had: figures are lower')
        be_preferred()
        self.cores = sorted(os.sched_getaffinity(0))
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            end(process)
        if self.pages is not None:
            HUGEPAGES.write_text(self.pages)
        self.tmp.cleanup()
        self.lock.close()

    def start(self, *command, **kwargs):
        process = subprocess.Popen([str(c) for c in command], **kwargs)
        self.processes.append(process)
        return process

    def run(self, program, *args):
        done = subprocess.run([str(self.build / 'bench' / program)] + [str(a) for a in args],
                              capture_output=True, text=True, check=False, timeout=300)
        if done.returncode != 0:
            raise RuntimeError('%s: %s' % (program, done.stderr.strip()[-500:]))
        return done.stdout

    def frames(self, kind, size, world):
        path = self.dir / ('%s-%d-%d.frames' % (kind, size, world[1]))
        if not path.exists():
            self.run('bench-frames', kind, size, *world, FLOWS, path)
        return path


class Forwarder:
    """isthmus-forwarder on the second core, configured for a world."""

    def __init__(self, context, port, world=None, kind='gre', prefix=()):
        self.context = context
        self.socket = context.dir / ('forwarder-%d.sock' % len(context.processes))
        ports = [port] if isinstance(port, str) else port
        command = list(prefix) + [context.build / 'forwarder' / 'isthmus-forwarder',
                                  '--socket', self.socket, '--first-core', '1']
        for spec in ports:
            command += ['--port', spec]
        self.log = open(context.dir / 'forwarder.log', 'wb')
        self.process = context.start(*command, stderr=self.log, stdout=self.log)
        self.api = self._connect()
        if world:
            note(context.run('bench-configure', self.socket, kind, *world).strip())

    def _connect(self):
        for _ in range(200):
            try:
                return localapi.LocalApi(self.socket)
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.05)
        raise RuntimeError('the forwarder did not start:\n'
                           + (self.context.dir / 'forwarder.log').read_text()[-2000:])

    def counters(self):
        """Packets in, packets out, wrong or refused ones, drops by reason, at this moment."""
        port = self.api.dump('port')[0]
        drops = {n: v for n, v in self.api.counters().items() if v and n.startswith('drop.')}
        return {'t': time.monotonic(), 'rx': port.rx_packets, 'tx': port.tx_packets,
                'bytes': port.tx_bytes, 'wrong': port.tx_dropped, 'drops': drops}

    def nodes(self):
        return {n.name.decode(): (n.packets, n.cycles) for n in self.api.dump('node_stats')
                if n.worker == 0}

    def stop(self):
        self.api.close()
        end(self.process)
        self.log.close()


def be_preferred():
    """What else runs on the machine shall disturb less: as a process, and as a session."""
    try:
        os.nice(-19)
        Path('/proc/self/autogroup').write_text('-19')
    except OSError:
        note('no right to a higher priority: other work on the machine disturbs')


def stolen_seconds(context):
    """Time that others on the host had our two cores, since the start of the machine."""
    mine = {'cpu%d' % context.cores[0], 'cpu%d' % context.cores[-1]}
    with open('/proc/stat', encoding='ascii') as f:
        lines = [line.split() for line in f]
    return sum(int(w[8]) for w in lines if w[0] in mine) / os.sysconf('SC_CLK_TCK')


def note(text):
    print('# ' + text, file=sys.stderr, flush=True)


def end(process):
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def show_nodes(before, after):
    total = after['rx'][0] - before['rx'][0]
    cycles = 0
    for name, (packets, spent) in after.items():
        packets, spent = packets - before[name][0], spent - before[name][1]
        if packets > 0:
            cycles += spent
            note('  %-24s %12d packets %8.1f cycles/packet' % (name, packets, spent / packets))
    if total:
        note('  %-24s %12d packets %8.1f cycles/packet' % ('all', total, cycles / total))


def drops_between(before, after):
    return {n: v - before['drops'].get(n, 0) for n, v in after['drops'].items()
            if v != before['drops'].get(n, 0)}


# -- memif

class Generator:
    """On the first core, connected to one memif socket until the other side has ended."""

    def __init__(self, context, socket):
        self.context = context
        self.log = open(context.dir / ('%s.generator.log' % socket.name), 'wb')
        self.process = context.start(context.build / 'bench' / 'bench-generator', socket,
                                     context.cores[0], stdin=subprocess.PIPE, text=True,
                                     stdout=subprocess.PIPE, stderr=self.log)

    def measure(self, frames, echo=False):
        stolen = stolen_seconds(self.context)
        self.process.stdin.write('%s 1 %g%s\n' % (frames, self.context.seconds,
                                                  ' echo' if echo else ''))
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError('the generator ended: '
                               + Path(self.log.name).read_text()[-500:])
        result = json.loads(line)
        stolen = stolen_seconds(self.context) - stolen
        if result['longest_wait_ms'] > 5 or stolen > 0.05:
            note('  %s: once %.1f ms without a packet; the host took %.2f s of the two cores'
                 % (Path(frames).name, result['longest_wait_ms'], stolen))
        return result

    def stop(self):
        end(self.process)
        self.log.close()


def good(result, what):
    """The rate, or None with the reason said: a wrong packet, or too many lost."""
    lost = result['sent'] - result['received']
    if result['wrong']:
        note('%s: %d of %d checked packets were wrong' % (what, result['wrong'], result['checked']))
        return None
    if not result['received'] or lost > result['sent'] * LOST_AT_MOST:
        note('%s: %d of %d packets lost' % (what, lost, result['sent']))
        return None
    return result['mpps']


def median(values, what):
    values = [v for v in values if v is not None]
    note('%s: %s' % (what, ' '.join('%.2f' % v for v in values)))
    return statistics.median(values) if values else None


def testpmd(context, socket):
    log = open(context.dir / 'testpmd.log', 'wb')
    return context.start(
        'dpdk-testpmd', '-l', '%d,%d' % (context.cores[0], context.cores[-1]), '--in-memory',
        '--no-pci', '--vdev', 'net_memif0,role=server,socket=%s,socket-abstract=no' % socket,
        '--', '--auto-start', '--nb-cores=1', '--forward-mode=io', '--port-topology=loop',
        '--total-num-mbufs=16384', '-i',
        stdin=subprocess.PIPE, stdout=log, stderr=log)


def memif_port(socket):
    return ('u=dpdk:net_memif0,role=server,socket=%s,socket-abstract=no,mac=%s'
            % (socket, PORT_MAC))


def measure_memif(forwarder, generator, frames, what):
    before, nodes = forwarder.counters(), forwarder.nodes()
    result = generator.measure(frames)
    after = forwarder.counters()
    show_nodes(nodes, forwarder.nodes())
    rate = good(result, what)
    if rate is None:
        note('%s: %s; drops %s' % (what, result, drops_between(before, after)))
    return rate


def memif_runs(context, kinds, size):
    """Rates by kind, and testpmd's that forwards the same frames as they are ('io'): interleaved,
    the others standing still. A run without a figure is None."""
    sockets = {'gw': context.dir / ('gw-%d.memif' % size), 'io': context.dir / ('io-%d.memif' % size)}
    forwarder = Forwarder(context, memif_port(sockets['gw']), WORLD)
    generator = Generator(context, sockets['gw'])
    io = testpmd(context, sockets['io'])
    wait_for(sockets['io'])
    io_generator = Generator(context, sockets['io'])
    io_frames = context.frames('vxlan_gre', size, WORLD)
    rates = {k: [] for k in kinds + ['io']}
    io_generator.measure(io_frames, True)  # connected and warm
    for _ in range(context.runs):
        io.send_signal(signal.SIGSTOP)
        for kind in kinds:
            rates[kind].append(measure_memif(
                forwarder, generator, context.frames(kind, size, WORLD), '%s %d' % (kind, size)))
        io.send_signal(signal.SIGCONT)
        forwarder.process.send_signal(signal.SIGSTOP)
        rates['io'].append(good(io_generator.measure(io_frames, True), 'testpmd io'))
        forwarder.process.send_signal(signal.SIGCONT)
    end(io)
    forwarder.stop()
    generator.stop()
    io_generator.stop()
    return rates


def ratio(rates, limits, what):
    """The median of each run's rate to testpmd's of the same run."""
    return median([r / limit for r, limit in zip(rates, limits) if r and limit],
                  '%s of testpmd' % what)


def memif(context, wanted):
    kinds = [k for k in ('vxlan_gre', 'gre_vxlan')
             if wanted_any(wanted, k + '_64_memif_mpps', k + '_64_memif_ratio')]
    rates = memif_runs(context, kinds, 64)
    results = {'testpmd_io_64_memif_mpps': median(rates['io'], 'testpmd io')}
    for kind in kinds:
        results[kind + '_64_memif_mpps'] = median(rates[kind], kind)
        results[kind + '_64_memif_ratio'] = ratio(rates[kind], rates['io'], kind)
    return {k: v for k, v in results.items() if v is not None}


def memif_large(context, wanted):
    rates = memif_runs(context, ['vxlan_gre'], 1400)
    rate = median(rates['vxlan_gre'], 'vxlan_gre 1400')
    results = {'vxlan_gre_1400_memif_gbps': rate and rate * 1400 * 8 / 1000,
               'vxlan_gre_1400_memif_ratio': ratio(rates['vxlan_gre'], rates['io'],
                                                   'vxlan_gre 1400')}
    return {k: v for k, v in results.items() if v is not None}


def wanted_any(wanted, *names):
    return any(n in wanted for n in names)


def wait_for(path):
    for _ in range(400):
        if path.exists():
            return
        time.sleep(0.05)
    raise RuntimeError('%s did not appear' % path)


# -- the replay port

def settle(forwarder):
    """Until every packet that comes in goes out: next hops are resolved."""
    for _ in range(100):
        before = forwarder.counters()
        time.sleep(0.2)
        after = forwarder.counters()
        rx, tx = after['rx'] - before['rx'], after['tx'] - before['tx']
        if rx and tx > rx * (1 - LOST_AT_MOST):
            return
    note('drops in the last fifth of a second: %s' % drops_between(before, after))


def measure_null(context, forwarder, what):
    before, nodes = forwarder.counters(), forwarder.nodes()
    time.sleep(context.seconds)
    after = forwarder.counters()
    show_nodes(nodes, forwarder.nodes())
    rx, tx = after['rx'] - before['rx'], after['tx'] - before['tx']
    if after['wrong'] != before['wrong']:
        note('%s: %d wrong packets' % (what, after['wrong'] - before['wrong']))
        return None
    if tx < rx * (1 - LOST_AT_MOST):
        note('%s: %d of %d lost: %s' % (what, rx - tx, rx, drops_between(before, after)))
        return None
    return tx / (after['t'] - before['t']) / 1e6


def null_rate(context, kind, world, runs):
    frames = context.frames(kind, 64, world)
    forwarder = Forwarder(context, 'u=replay:%s' % frames, world,
                          'l3' if kind == 'vxlan_l3' else 'gre')
    settle(forwarder)
    rates = [measure_null(context, forwarder, kind) for _ in range(runs)]
    forwarder.stop()
    return median(rates, '%s null %d connections' % (kind, world[1]))


def null(context, wanted):
    results = {}
    for kind in ('vxlan_gre', 'gre_vxlan', 'vxlan_l3'):
        name = kind + '_64_null_mpps'
        if name in wanted or (kind == 'vxlan_gre' and 'vxlan_gre_64_null_10k_ratio' in wanted):
            results[name] = null_rate(context, kind, WORLD, context.runs)
    if 'vxlan_gre_64_null_10k_ratio' in wanted:
        rate = null_rate(context, 'vxlan_gre', WORLD_10K, context.runs)
        base = results['vxlan_gre_64_null_mpps']
        results['vxlan_gre_64_null_10k_ratio'] = rate / base if rate and base else None
    return {k: v for k, v in results.items() if v is not None and k in wanted}


# -- idle

def cpu_seconds(pid):
    fields = Path('/proc/%d/stat' % pid).read_text().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def idle(context, wanted):
    """A forwarder with two AF_PACKET ports and no traffic, over ten seconds."""
    space = 'isb%d' % os.getpid()
    subprocess.run(['ip', 'netns', 'add', space], check=True)
    try:
        for a, b in (('p0', 'q0'), ('p1', 'q1')):
            subprocess.run(['ip', '-n', space, 'link', 'add', a, 'type', 'veth', 'peer', 'name', b],
                           check=True)
            subprocess.run(['ip', '-n', space, 'link', 'set', b, 'up'], check=True)
        forwarder = Forwarder(context, ['u=af_packet:p0', 'l=af_packet:p1'],
                              prefix=('ip', 'netns', 'exec', space))
        time.sleep(1)
        start, began = cpu_seconds(forwarder.process.pid), time.monotonic()
        time.sleep(10)
        used = cpu_seconds(forwarder.process.pid) - start
        percent = 100 * used / (time.monotonic() - began)
        forwarder.stop()
    finally:
        subprocess.run(['ip', 'netns', 'del', space], check=True)
    return {'idle_cpu_percent': percent}


# -- the FIB

def fib(context, wanted):
    """1 000 000 routes over 4 000 VRFs; the mix and the worst case are said in fib_bench.c."""
    out = subprocess.run(['taskset', '-c', str(context.cores[-1]),
                          str(context.build / 'forwarder' / 'fib' / 'fib_bench')],
                         capture_output=True, text=True, check=True, timeout=600).stdout
    return {k: v for k, v in json.loads(out).items() if k in wanted}
