# SPDX-License-Identifier: Apache-2.0
"""Benches of ESP, AES-256-GCM with ESN and a replay window of 1024: VXLAN to ESP and back.

One worker core and the whole pipeline; flows of 1 000 connections in random order, so that the SA
changes with every packet. Gbit/s are of inner packets. The raw library under one key, and
`openssl speed`, are measured in turn with the forwarder.
"""

import os
import re
import signal
import subprocess

import dataplane
from dataplane import note

KINDS = {'out': 'vxlan_esp', 'in': 'esp_vxlan'}
SIZES = (64, 1400)
CASES = [(way, size) for size in SIZES for way in KINDS]
RAW, OPENSSL, RATIO = 'esp_raw_ipsecmb_gbps', 'esp_openssl_speed_gbps', 'esp_10k_ratio'


def names(io):
    return ['esp_%s_%d_%s_%s' % (way, size, io, unit)
            for way, size in CASES for unit in ('mpps', 'gbps')]


NULL_NAMES = names('null') + [RATIO, RAW, OPENSSL]
MEMIF_NAMES = names('memif')


def figures(io, rates):
    """{name: number} of rates in Mpps by case."""
    result = {}
    for (way, size), rate in rates.items():
        if rate:
            result['esp_%s_%d_%s_mpps' % (way, size, io)] = rate
            result['esp_%s_%d_%s_gbps' % (way, size, io)] = rate * size * 8 / 1000
    return result


class References:
    """What the same core does without a gateway: inner Gbit/s by size, a list of runs each."""

    def __init__(self, context):
        self.context = context
        self.raw = {size: [] for size in SIZES}
        self.openssl = {size: [] for size in SIZES}

    def measure(self, size):
        pinned = ['taskset', '-c', str(self.context.cores[-1])]
        bench = self.context.build / 'forwarder' / 'ipsec' / 'esp_bench'
        out = subprocess.run(pinned + [bench, 'raw', str(size), '0.5'],
                             capture_output=True, text=True, check=True, timeout=60).stdout
        self.raw[size].append(float(out) * size * 8 / 1e9)
        out = subprocess.run(pinned + ['openssl', 'speed', '-evp', 'aes-256-gcm', '-seconds', '1',
                                       '-bytes', str(size)],
                             capture_output=True, text=True, check=True, timeout=60).stdout
        kbytes = re.search(r'^AES-256-GCM\s+([\d.]+)k', out, re.MULTILINE | re.IGNORECASE)
        self.openssl[size].append(float(kbytes.group(1)) * 8e3 / 1e9)

    def medians(self):
        return ({size: dataplane.median(v, 'raw libipsec-mb %d, Gbit/s' % size)
                 for size, v in self.raw.items() if v},
                {size: dataplane.median(v, 'openssl speed %d, Gbit/s' % size)
                 for size, v in self.openssl.items() if v})


def show_ratios(io, rates, raw, openssl):
    for (way, size), rate in rates.items():
        if rate and raw.get(size) and openssl.get(size):
            gbps = rate * size * 8 / 1000
            note('esp %s %d %s: %.2f Mpps, %.1f Gbit/s, %.2f of raw libipsec-mb, %.2f of openssl'
                 % (way, size, io, rate, gbps, gbps / raw[size], gbps / openssl[size]))


def pause(forwarder):
    forwarder.process.send_signal(signal.SIGSTOP)


def resume(forwarder):
    forwarder.process.send_signal(signal.SIGCONT)


def start(context, case, world):
    way, size = case
    frames = context.frames(KINDS[way], size, world)
    forwarder = dataplane.Forwarder(context, 'u=replay:%s' % frames, world, 'esp')
    dataplane.settle(forwarder)
    pause(forwarder)
    return forwarder


def one_case(context, case, worlds, references):
    """[median rate in each world]; runs of the worlds and the references take turns."""
    forwarders = [start(context, case, world) for world in worlds]
    rates = [[] for _ in worlds]
    for _ in range(context.runs):
        for world, forwarder, into in zip(worlds, forwarders, rates):
            resume(forwarder)
            into.append(dataplane.measure_null(
                context, forwarder, 'esp %s %d, %d SAs' % (*case, world[1])))
            pause(forwarder)
        references.measure(case[1])
    for forwarder in forwarders:
        resume(forwarder)
        forwarder.stop()
    for world in worlds:
        context.frames(KINDS[case[0]], case[1], world).unlink()
    return [dataplane.median(r, 'esp %s %d null, %d SAs' % (*case, w[1]))
            for r, w in zip(rates, worlds)]


def null(context, wanted):
    worlds = [dataplane.WORLD] + ([dataplane.WORLD_10K] if RATIO in wanted else [])
    whole = {RATIO, RAW, OPENSSL} & set(wanted)
    cases = [c for c in CASES if whole or any('esp_%s_%d_' % c in n for n in wanted)]
    references, rates, ratios = References(context), {}, []
    for case in cases:
        medians = one_case(context, case, worlds, references)
        rates[case] = medians[0]
        if len(medians) > 1 and all(medians):
            ratios.append(medians[1] / medians[0])
            note('esp %s %d: %.2f with 10 000 SAs' % (*case, ratios[-1]))
    raw, openssl = references.medians()
    show_ratios('null', rates, raw, openssl)
    results = figures('null', rates)
    results.update({RAW: raw.get(1400), OPENSSL: openssl.get(1400)})
    if len(ratios) == len(CASES):
        results[RATIO] = min(ratios)
    return {k: v for k, v in results.items() if v is not None and k in wanted}


def memif(context, wanted):
    cases = [c for c in CASES if any('esp_%s_%d_' % c in n for n in wanted)]
    socket = context.dir / 'esp.memif'
    forwarder = dataplane.Forwarder(context, dataplane.memif_port(socket), dataplane.WORLD, 'esp')
    generator = dataplane.Generator(context, socket)
    references, rates = References(context), {case: [] for case in cases}
    for _ in range(context.runs):
        for way, size in cases:
            frames = context.frames(KINDS[way], size, dataplane.WORLD)
            rates[way, size].append(dataplane.measure_memif(
                forwarder, generator, frames, 'esp %s %d' % (way, size)))
        pause(forwarder)
        for size in {size for _, size in cases}:
            references.measure(size)
        resume(forwarder)
    forwarder.stop()
    generator.stop()
    rates = {(way, size): dataplane.median(r, 'esp %s %d memif' % (way, size))
             for (way, size), r in rates.items()}
    show_ratios('memif', rates, *references.medians())
    return {k: v for k, v in figures('memif', rates).items() if k in wanted}


# -- TCP through two gateways

def tcp_over(context, kind, runs=None):
    """Gbit/s of one TCP stream through two gateways on AF_PACKET ports; median of the runs."""
    os.environ['ISTHMUS_BUILD'] = str(context.build)
    from net import Net, wait_for  # noqa: PLC0415  reads the build's place when it is loaded
    from pair import Pair  # noqa: PLC0415
    import traffic  # noqa: PLC0415
    with Net() as net:
        pair = Pair(net, kind)
        a, b = (pair.machines[s] for s in ('a', 'b'))
        wait_for(lambda: traffic.ping(a, pair.address('b'), 1), 10, 'the first packet passes')
        rates = [traffic.tcp(a, b, pair.address('b'), seconds=max(1, round(context.seconds)))['bps']
                 for _ in range(runs or context.runs)]
    return dataplane.median([r / 1e9 for r in rates], 'tcp over %s, Gbit/s' % kind.lower())


def tcp(context, wanted):
    return {'tcp_esp_gbps': tcp_over(context, 'IPSEC')}
