# SPDX-License-Identifier: Apache-2.0
"""The plan by itself: how long for a whole installation, how long for one change."""

import json
import statistics
import subprocess


def plan(context, wanted):
    program = context.build / 'bench' / 'bench-plan'
    runs = [json.loads(subprocess.run([program], check=True, capture_output=True, text=True).stdout)
            for _ in range(context.runs)]
    return {name: statistics.median(r[name] for r in runs) for name in wanted}
