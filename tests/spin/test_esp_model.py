# SPDX-License-Identifier: Apache-2.0
"""esp.pml tried in every order of events: the rules hold, and none of them is idle."""

import pathlib
import re
import shutil

import pytest

from net import run

MODEL = pathlib.Path(__file__).parent / "esp.pml"

pytestmark = pytest.mark.skipif(not shutil.which("spin"), reason="spin is not installed")


def search(folder, *defines):
    """(number of errors, states stored, what was violated), breadth first: the shortest way to an error."""
    flags = ["-D" + d for d in defines]
    run(["spin", *flags, "-a", str(MODEL)], cwd=folder)
    run(["gcc", "-O2", "-w", "-DSAFETY", "-DCOLLAPSE", "-DBFS", "-o", "pan", "pan.c"], cwd=folder)
    out = run(["./pan", "-m200000"], cwd=folder, timeout=600).stdout
    assert "max search depth too small" not in out and "out of memory" not in out, out
    violated = re.search(r"assertion violated (.*) \(at depth", out)
    return (int(re.search(r"errors: (\d+)", out).group(1)), int(re.search(r"(\d+) states, stored", out).group(1)),
            violated.group(1) if violated else "")


@pytest.mark.parametrize("part", ["SEND", "RECEIVE"])
def test_nothing_is_sent_twice_and_nothing_accepted_twice_beyond_the_stated_window(tmp_path, part):
    errors, states, violated = search(tmp_path, part)
    assert errors == 0, violated
    assert states > 100000  # the model did move


@pytest.mark.parametrize("defines,breaks", [
    (("SEND", "NO_EPOCH"), "used_nonce"),
    (("SEND", "NO_FENCE"), "sent"),
    (("SEND", "NO_RESERVATION"), "sent"),
    (("RECEIVE", "NO_TOP"), "accepted"),
])
def test_without_one_of_the_rules_a_counterexample_is_found(tmp_path, defines, breaks):
    errors, _, violated = search(tmp_path, *defines)
    assert errors == 1 and breaks in violated
