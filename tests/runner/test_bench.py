# SPDX-License-Identifier: Apache-2.0
"""A bench shows no figure of a run that went wrong."""

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "bench"))

import dataplane  # noqa: E402

RUN = {"sent": 1000000, "received": 999500, "checked": 976, "wrong": 0, "mpps": 4.5}


def test_a_run_with_few_lost_has_its_figure():
    assert dataplane.good(RUN, "run") == 4.5


@pytest.mark.parametrize("spoilt, words", [({"wrong": 1}, "were wrong"),
                                           ({"received": 998900}, "lost"), ({"sent": 0, "received": 0}, "lost")])
def test_a_run_with_a_wrong_packet_or_too_many_lost_has_none(spoilt, words, capsys):
    assert dataplane.good({**RUN, **spoilt}, "run") is None
    said = capsys.readouterr()
    assert words in said.out + said.err


def test_the_median_leaves_out_what_has_no_figure(capsys):
    assert dataplane.median([3.0, None, 5.0, 4.0], "runs") == 4.0
    assert dataplane.median([None], "runs") is None
