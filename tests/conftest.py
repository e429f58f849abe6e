# SPDX-License-Identifier: Apache-2.0
"""What every story sees: tests/lib and tests/topology on the path, the seed, sanitizer reports."""

import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
for folder in ("lib", "topology"):
    sys.path.insert(0, str(HERE / folder))


@pytest.fixture
def seed():
    """Of the whole run: what is chosen at random is chosen from it, so that a run can be repeated."""
    return int(os.environ.get("ISTHMUS_SEED", "1"))


@pytest.fixture
def long_s():
    """Seconds a long test may take; 0 in a normal run, which does a slice."""
    return int(os.environ.get("ISTHMUS_LONG_S", "0"))


def is_sanitized():
    """Timing promises are made for the release build only."""
    return "asan" in os.environ.get("ISTHMUS_BUILD", "")
