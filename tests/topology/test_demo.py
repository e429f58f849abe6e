# SPDX-License-Identifier: Apache-2.0
# runs alone
"""The demo as a newcomer runs it, without the building: all of it holds, --keep leaves the lab up with words that work, and nothing
is left behind."""

import os
import re
import shlex
import signal
import subprocess
import sys

import pytest

from conftest import is_sanitized
from net import BUILD, ROOT, wait_for

LIMIT_S = 240


def namespaces(prefix):
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if line.startswith(prefix + "-")]


def say(words):
    return subprocess.run(shlex.split(words), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=True).stdout


def look_around(told):
    """What --keep says can be typed as it is said."""
    words = [line.strip() for line in told.splitlines() if line.startswith("  ")]
    ping = next(w for w in words if " ping " in w)
    assert "0 received" not in say(ping.replace(" ping ", " ping -c 2 -w 10 "))
    assert "GreGW" in say(next(w for w in words if "get networkconnections" in w))
    assert "IPSec" in say(next(w for w in words if "describe" in w))
    assert say(next(w for w in words if w.endswith(" counters"))).strip()
    assert say(next(w for w in words if w.endswith(" drops"))).strip()


@pytest.mark.skipif(is_sanitized(), reason="the demo promises times: release build only")
def test_the_demo_holds_keeps_the_lab_and_cleans_up(tmp_path):
    out = tmp_path / "out"
    with out.open("w") as sink:
        demo = subprocess.Popen([sys.executable, ROOT / "tests" / "topology" / "demo.py", "--keep"], stdin=subprocess.DEVNULL,
                                stdout=sink, stderr=subprocess.STDOUT, env={**os.environ, "ISTHMUS_BUILD": str(BUILD)})
    try:
        wait_for(lambda: "logs and files:" in out.read_text() or demo.poll() is not None, LIMIT_S, "the demo's last words", step=0.2)
        told = out.read_text()
        assert "[FAILED]" not in told and "All of it held." in told, told
        assert len(re.findall(r"^\d+\. ", told, re.M)) >= 10
        prefix = re.search(r"prefix (\w+)", told).group(1)
        assert namespaces(prefix)
        look_around(told[told.index("Look around"):])
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait(60)
    assert demo.returncode == 0 and out.read_text().rstrip().endswith("ending the lab"), out.read_text()
    assert not namespaces(prefix)
