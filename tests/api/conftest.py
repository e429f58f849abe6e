# SPDX-License-Identifier: Apache-2.0
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from controller import Controller  # noqa: E402


@pytest.fixture
def controller(tmp_path):
    c = Controller(tmp_path)
    yield c
    status = c.stop()
    assert status == 0, c.log
