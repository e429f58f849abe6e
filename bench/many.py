# SPDX-License-Identifier: Apache-2.0
"""What 10 000 connections over 4 000 VRFs cost a forwarder that has nothing to forward: timers, rates."""

import os
import subprocess
import time

from dataplane import WORLD_10K, Forwarder, cpu_seconds, note


def idle(context, wanted):
    space = 'isc%d' % os.getpid()
    subprocess.run(['ip', 'netns', 'add', space], check=True)
    try:
        subprocess.run(['ip', '-n', space, 'link', 'add', 'p0', 'type', 'veth', 'peer', 'name', 'q0'], check=True)
        forwarder = Forwarder(context, 'u=af_packet:p0', WORLD_10K, prefix=('ip', 'netns', 'exec', space))
        count = len(forwarder.api.dump('conn_stats'))
        time.sleep(5)  # the far end never answers; what follows is how it stays
        start, began = cpu_seconds(forwarder.process.pid), time.monotonic()
        time.sleep(10)  # the span that is measured
        percent = 100 * (cpu_seconds(forwarder.process.pid) - start) / (time.monotonic() - began)
        forwarder.stop()
    finally:
        subprocess.run(['ip', 'netns', 'del', space], check=True)
    note('%d connections' % count)
    return {'idle_10k_cpu_percent': percent} if count >= WORLD_10K[1] else {}
