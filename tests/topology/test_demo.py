# SPDX-License-Identifier: Apache-2.0
# runs alone
"""The demo as a newcomer runs it, without the building: all of it holds and nothing is left behind."""

import os
import re
import subprocess
import sys

import pytest

from conftest import is_sanitized
from net import BUILD, ROOT

LIMIT_S = 240


@pytest.mark.skipif(is_sanitized(), reason="the demo promises times: release build only")
def test_the_demo_holds_and_cleans_up():
    done = subprocess.run([sys.executable, ROOT / "tests" / "topology" / "demo.py"], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=LIMIT_S, check=False, env={**os.environ, "ISTHMUS_BUILD": str(BUILD)})
    assert done.returncode == 0 and "[FAILED]" not in done.stdout, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("All of it held.")
    assert len(re.findall(r"^\d+\. ", done.stdout, re.M)) >= 10
    prefix = re.search(r"prefix (\w+)", done.stdout).group(1)
    left = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    assert not [line for line in left.splitlines() if line.startswith(prefix + "-")]
