# SPDX-License-Identifier: Apache-2.0
"""Rekeys at the worst moments: both ends at once, every message lost once, late, refused.

Gateways and tenants as in many_tenants.py, with a wire between that loses or delays IKE only
(ike_wire.py). Each tenant's machines send a numbered probe every 20 ms both ways; an outage is a run of lost ones.
The lifetimes are short, and bursts of traffic use up the kilobytes of all SAs at about the same time, so
that both ends want a new one. `./test --long stories` has a day of rekeys: 24, as a child SA of an hour.
"""

import collections
import itertools
import os
import threading
import time

import pytest

from ike_wire import Wire, each_is_lost_once
from localapi import constants as C
from many_tenants import Lab, site
from net import Net, program, wait_for

EVERY_S, OUTAGE_MAX_S = 0.02, 1.0
LIFE_KB, BURST_BYTES, BURST_PACKET = 1000, 960_000, 1300
SOFT_BYTES = 925_000  # by then a new SA is asked for, whatever the jitter
IKE_LIFE_S = 30
RETRY_S = 30  # an IKE SA whose child is being rekeyed answers TEMPORARY_FAILURE (RFC 7296 2.25): once more after up to 15 s


class Probes:
    """Numbered packets of every tenant, both ways, from here to stop()."""

    def __init__(self, lab, numbers=None):
        self.lab, self.sent, self.numbers = lab, [], numbers or lab.gw.numbers()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        for side in (lab.gw, lab.far):
            lab.machines[side].deaf_to = b"burst"
        self.thread.start()

    def _run(self):
        due = time.monotonic()
        for number in itertools.count():
            if self.ended.wait(max(0, due - time.monotonic())):
                return
            self.sent.append(time.monotonic())
            for side in (self.lab.gw, self.lab.far):
                for n in self.numbers:
                    self.lab.machines[side].send(n, b"probe %d" % number)
            due = max(due + EVERY_S, time.monotonic())

    def stop(self):
        self.ended.set()
        self.thread.join()
        time.sleep(0.3)  # what is on its way; what would come later counts as lost

    def outages(self):
        """{(side, tenant): the longest time in which no probe sent arrived}"""
        worst = {}
        for side in (self.lab.gw, self.lab.far):
            got = {}
            for vlan, mark in self.lab.machines[self.lab.other(side)].got:
                if mark.startswith(b"probe "):
                    got.setdefault(vlan, set()).add(int(mark[6:]))
            for n in self.numbers:
                worst[side.name, n] = self._longest(got.get(n, set()))
        return worst

    def _longest(self, arrived):
        longest, lost_since = 0.0, None
        for number, at in enumerate(self.sent):
            if number in arrived:
                lost_since = None
            else:
                lost_since = at if lost_since is None else lost_since
                longest = max(longest, at + EVERY_S - lost_since)
        return longest


@pytest.fixture
def net():
    with Net() as net:
        yield net


def burst(lab, numbers):
    """Uses up the kilobytes of these tenants' SAs, in both directions at once. What a slow forwarder did not take is sent again."""
    packet = b"burst" + bytes(BURST_PACKET - 5)
    for _ in range(10):
        left = {(side, n): (BURST_BYTES - used) // (BURST_PACKET + 28) for side in (lab.gw, lab.far)
                for n, used in sent_by_newest(side, numbers).items()}
        left = {who: count for who, count in left.items() if 0 < count}
        if not left:
            return
        for i in range(max(left.values())):
            for (side, n), count in left.items():
                if i < count:
                    lab.machines[side].send(n, packet)
            if i % 8 == 0:
                time.sleep(0.004)
        time.sleep(0.1)  # the last ones are on their way
        if all(used < BURST_BYTES // 4 or used > SOFT_BYTES for side in (lab.gw, lab.far)
               for used in sent_by_newest(side, numbers).values()):
            return


def sent_by_newest(side, numbers):
    """{tenant: bytes that the SA it sends by has sent}"""
    newest = {}
    with side.gateway.api() as api:
        for sa in api.dump("sa_stats"):
            if sa.dir == C["API_SA_OUT"] and sa.packets and sa.conn in numbers:
                newest[sa.conn] = min(newest.get(sa.conn, (sa.age_ms + 1, 0)), (sa.age_ms, sa.bytes))
    return {n: used for n, (_, used) in newest.items()}


def rekeys(side):
    with side.ike() as api:
        return {s.conn: (s.rekeys_child, s.rekeys_ike) for s in api.dump("ike_state")}


def uses_new_sas(side, numbers=None):
    """What each tenant sends by has room for another burst."""
    return all(used < BURST_BYTES // 4 for used in sent_by_newest(side, numbers or side.numbers()).values())


def begin(net, count, far_ike_env=None, **more):
    lab = Lab(net, count, lambda ns: Wire(ns, "u-gw", "u-far"), far_ike_env)
    for side in (lab.gw, lab.far):
        side.tunnels()
    lab.gw.keying(1, child_life_kb=LIFE_KB, **more)
    lab.far.keying(3, child_life_kb=LIFE_KB, **more)
    wait_for(lambda: lab.gw.up() == count, 30, "tunnels are up")
    lab.meet_routers()

    def warm():
        for side in (lab.gw, lab.far):
            lab.send_all(side, b"first")
        return all(len({v for v, m in lab.machines[s].got if m.startswith(b"first")}) == count for s in (lab.gw, lab.far))
    wait_for(warm, 20, "a packet of each", step=0.2)
    return lab


def test_rekeys_at_once_with_lost_and_late_messages_leave_no_second_without_a_tunnel(net, long_s):
    count, cycles = (12, 24) if long_s else (6, 2)
    lab = begin(net, count, ike_life_s=IKE_LIFE_S)
    lossy, once = {site(n) for n in range(1, count + 1, 2)}, each_is_lost_once()
    lab.wire.rule = lambda m: once(m) if m.address in lossy else 0.15
    started = time.monotonic()
    probes = Probes(lab)
    for cycle in range(1, cycles + 1):
        burst(lab, range(1, count + 1))
        wait_for(lambda: uses_new_sas(lab.gw) and uses_new_sas(lab.far), 20, "both ends use new SAs, round %d" % cycle, step=0.2)
    wait_for(lambda: all(r[1] >= max(1, cycles // 12) for r in rekeys(lab.gw).values()),
             started + (IKE_LIFE_S + RETRY_S) * max(1, cycles // 12) - time.monotonic(), "every IKE SA has been rekeyed", step=0.5)
    probes.stop()
    assert lab.wire.lost > count and lab.wire.delayed > count
    assert lab.wire.collisions > 0, "both ends asked at the same time"
    outages = probes.outages()
    assert max(outages.values()) <= OUTAGE_MAX_S, outages
    assert lab.gw.up() == lab.far.up() == count


def refuse_for_a_while(net):
    """For a while no new child SA suits the far end (ike/test_refuse_ts.c): it answers TS_UNACCEPTABLE, and what it asked for
    itself it deletes when it is there."""
    refuse = net.dir / "refuse"
    refuse.write_bytes(b"0")
    lab = begin(net, 2, {"LD_PRELOAD": program("ike-test-refuse-ts.so"), "ISTHMUS_TEST_REFUSE": refuse,
                         "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"})
    probes = Probes(lab)
    assert not created(lab.gw)
    say(refuse, b"1")
    burst(lab, [1, 2])
    wait_for(lambda: created(lab.gw) == {1, 2}, 15, "both tenants' rekeys were refused", step=0.1)
    assert set(rekeys(lab.far).values()) == {(0, 0)}, "none of them came to be at the far end"
    assert lab.gw.up() == lab.far.up() == 2
    say(refuse, b"0")
    wait_for(lambda: uses_new_sas(lab.gw) and uses_new_sas(lab.far), 40, "the next rekey succeeds", step=0.2)
    probes.stop()
    outages = probes.outages()
    assert max(outages.values()) <= OUTAGE_MAX_S, outages
    return lab


def test_a_refused_rekey_leaves_the_old_tunnel_in_use_until_the_next_one(net):
    lab = refuse_for_a_while(net)
    assert lab.gw.up() == lab.far.up() == 2


def say(path, byte):
    """In place: the far end has the file mapped."""
    with open(path, "r+b") as f:
        f.write(byte)


def created(side):
    """Connections that have had a whole CREATE_CHILD_SA exchange."""
    with side.ike() as api:
        seen = collections.Counter(e.conn for n in side.numbers() for e in api.dump("ike_exchange", conn=n) if e.exchange == 36)
    return {conn for conn, messages in seen.items() if messages >= 2}
