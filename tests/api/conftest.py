# SPDX-License-Identifier: Apache-2.0
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from controller import Controller  # noqa: E402
from southbound import bootstrap  # noqa: E402


@pytest.fixture
def controller(tmp_path):
    c = Controller(tmp_path)
    yield c
    status = c.stop()
    assert status == 0, c.log


@pytest.fixture
def joinable(tmp_path):
    """A controller that gateways can join."""
    bootstrap(tmp_path)
    c = Controller(tmp_path, key="server-key.pem")
    yield c
    assert c.stop() == 0, c.log
