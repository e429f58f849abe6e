# SPDX-License-Identifier: Apache-2.0
"""Services under the units of packaging/: what systemd would do, done in the lab.

   forwarder with one port, alone in a namespace
"""

import time

import pytest

from gateway import Gateway
from net import Net, wait_for
from supervisor import UNITS, read_unit, seconds


@pytest.fixture()
def gateway():
    with Net() as net:
        ns, other = net.namespace("gw"), net.namespace("other")
        net.link(ns, "up0", other, "up0")
        it = Gateway(net, ns, ports=("up0",))
        it.start_forwarder()
        yield it


def test_a_killed_forwarder_is_up_again_within_a_second(gateway):
    with gateway.api() as api:
        first = api.server.instance
    started = time.monotonic()
    gateway.forwarder.crash()
    gateway.wait_forwarder()
    assert time.monotonic() - started < 3  # the promise of one second is measured with traffic
    with gateway.api() as api:
        assert api.server.instance != first
    assert gateway.forwarder.restarts == 1


def test_a_stopped_forwarder_ends_cleanly_and_stays_down(gateway):
    assert gateway.forwarder.stop() == 0
    assert gateway.forwarder.restarts == 0
    gateway.forwarder.start()
    gateway.wait_forwarder()


def test_an_idle_forwarder_sleeps(gateway):
    """Its share of a processor over a second, from /proc: the bench has the promised figure."""
    def ticks():
        fields = open("/proc/%d/stat" % gateway.forwarder.pid).read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])
    wait_for(lambda: ticks_in(ticks, 0.5) <= 5, 10, "less than a tenth of a processor")


def ticks_in(ticks, interval_s):
    before, until = ticks(), time.monotonic() + interval_s
    wait_for(lambda: time.monotonic() > until, interval_s + 5, "the interval")
    return ticks() - before


def test_every_unit_starts_a_program_of_ours_and_never_gives_up():
    units = sorted(UNITS.glob("*.service"))
    assert units
    for path in units:
        unit = read_unit(path.stem)
        assert unit["ExecStart"][0].startswith("/usr/sbin/isthmus-"), path
        assert unit["Restart"] == ["always"] and unit["StartLimitIntervalSec"] == ["0"], path
        assert seconds(unit["RestartSec"][0]) <= 0.5, path
        assert "NoNewPrivileges" in unit, path


def test_time_spans_are_read_as_systemd_reads_them():
    assert seconds("1min 500ms") == 60.5 and seconds("5") == 5 and seconds("50ms") == 0.05
