# SPDX-License-Identifier: Apache-2.0
# runs alone
"""The pool is cut in two on the wire, every cable still having light: who answers for an address?

   h1, router, sites, other gateways -- underlay   |   isle0 -- gateways that were cut off
   ctl ------------------------------- mgmt        |   isle1 -- (or the controller)
   the VLANs' switch joins both sides all the time
"""

import contextlib
import itertools

import pytest

from arp_asker import Asker
from conftest import is_sanitized
from net import wait_for
from pool import PoolLab, all_pairs, busiest, everybody_is_one, placed
from traffic import flows

RATE = 250  # probes a second on each flow: 4 ms apart
DETECTION_MS = 300  # BFD among the gateways: 3 x 100 ms
OVERLAP_MAX_MS = DETECTION_MS * (10 if is_sanitized() else 1)
ISLAND = "10.64.0.90"


@pytest.fixture(scope="module")
def lab():
    with PoolLab(4, 2) as it:
        switch = it.scene.fabric.switch
        it.net.bridge(switch, "isle0")
        it.net.bridge(switch, "isle1")
        it.island_ns = it.net.namespace("island")
        it.net.plug(switch, "isle0", it.island_ns, "ul0")
        it.island_ns.ip("addr add %s/24 dev ul0" % ISLAND)
        assert wait_for(lambda: not it.scene.unreachable(), 20, "every tenant reaches its sites")
        yield it


@contextlib.contextmanager
def cut_off(lab, *members):
    """They are with one another, and with nobody else."""
    def plug(underlay, mgmt):
        lab.scene.fabric.switch.ip(*[line for m in members for line in (
            "link set %s master %s" % (m.switch_port("up0"), underlay), "link set %s master %s" % (m.switch_port("mgmt0"), mgmt))])
    plug("isle0", "isle1")
    try:
        yield
    finally:
        plug("underlay", "mgmt")


class Watch:
    """Asks on both sides and on the VLANs, all the time, for what `victims` hold."""

    def __init__(self, lab, victims):
        names = [v.name.lower() for v in victims]
        slots = [s for s in lab.slots() if s["connections"] and s["gateway"].lower() in names]
        self.addresses = sorted({a for s in slots for a in s["pa"]})
        h1 = lab.scene.hosts["h1"]
        self.askers = [Asker(h1.ns, "ul0", h1.pa, self.addresses), Asker(lab.island_ns, "ul0", ISLAND, self.addresses)]
        self.askers += [Asker(t.vlan_site.ns, t.vlan_site.device, t.vlan_router, [t.vlan_gateway]) for t in lab.tenants]

    def __enter__(self):
        for asker in self.askers:
            asker.start()
        wait_for(lambda: all(self.askers[0].answers.values()), 10, "the holders answer")
        return self

    def __exit__(self, *_):
        for asker in self.askers:
            asker.stop()

    def heard_since(self, counts, more=100):
        """Everybody who asks on the mainland has heard so many answers more."""
        return all(len(a.answers[x]) > n + more for (a, x), n in counts.items())

    def counts(self):
        return {(a, x): len(a.answers[x]) for a in [self.askers[0], *self.askers[2:]] for x in a.answers}

    def overlaps_ms(self):
        """For each pair of answering MACs on one place's addresses: how long both did."""
        result = []
        for askers in (self.askers[:2], *[[a] for a in self.askers[2:]]):
            for address in askers[0].answers:
                spans = {}
                for at, mac in sorted(x for a in askers for x in a.answers[address]):
                    first, _ = spans.get(mac, (at, at))
                    spans[mac] = (first, at)
                for (a, b), (c, d) in itertools.combinations(spans.values(), 2):
                    result.append(max(0.0, min(b, d) - max(a, c)) * 1000)
        return result


def partition(lab, capsys, members, what):
    victim = busiest(lab)
    assert victim in members
    with Watch(lab, members) as watch:
        with cut_off(lab, *members):
            wait_for(lambda: placed(lab) and not any(lab.holder_of(t, c) in members for t in lab.tenants for c in lab.connections(t)),
                     15, "connections have holders on the mainland")
            wait_for(lambda: not lab.scene.unreachable(1), 15, "traffic passes")
            counts = watch.counts()
            wait_for(lambda: watch.heard_since(counts), 10, "the new holders answer")
        overlaps = watch.overlaps_ms()  # before it is healed: afterwards the old ones are asked by all
        lab.wait_roles(2)
        wait_for(lambda: everybody_is_one(lab), 10, "each slot is active once")
        counts = watch.counts()
        wait_for(lambda: watch.heard_since(counts), 10, "the holders answer when it has healed")
    for asker in watch.askers:
        for address, answers in asker.answers.items():
            assert len({mac for _, mac in answers[-50:]}) <= 1, address
    with capsys.disabled():
        print("\n  %s: two answered for one address for at most %.0f ms of %d pairs" % (what, max(overlaps), len(overlaps)))
    assert overlaps and max(overlaps) <= OVERLAP_MAX_MS, overlaps
    for m in members:
        assert m.state() == ("Redundant", "Healthy")
    assert not lab.scene.unreachable(2)


def test_one_gateway_that_is_cut_off_from_all_is_not_heard_beside_its_successor(lab, capsys):
    partition(lab, capsys, [busiest(lab)], "one gateway cut off")


def test_half_of_the_gateways_cut_off_are_not_heard_beside_their_successors(lab, capsys):
    active, redundant = busiest(lab), lab.of_state("Redundant")[0]
    partition(lab, capsys, [active, redundant], "half of the gateways cut off")


def test_a_controller_that_is_cut_off_changes_nothing(lab, capsys):
    before = {m.name: m.epochs() for m in lab.members}
    switch, port = lab.scene.fabric.switch, "ctl.mgmt0"
    with flows(*all_pairs(lab), rate=RATE) as accounts:
        switch.ip("link set %s master isle1" % port)
        try:
            wait_for(lambda: all(m.state()[1] == "Unhealthy" for m in lab.members), 30, "the controller hears nobody")
            assert {m.name: m.epochs() for m in lab.members} == before
        finally:
            switch.ip("link set %s master mgmt" % port)
        wait_for(lambda: all(m.state()[1] == "Healthy" for m in lab.members), 20, "the controller hears all")
        lab.wait_roles(2)
    assert {m.name: m.epochs() for m in lab.members} == before
    lost, sent = (sum(a[k] for a in accounts) for k in ("lost", "sent"))
    with capsys.disabled():
        print("\n  controller cut off: %d of %d probes lost" % (lost, sent))
    assert lost == 0


def test_without_a_controller_nobody_takes_over_until_one_is_back(lab, capsys):
    victim = busiest(lab)
    others = [m for m in lab.members if m is not victim]
    before = {m.name: m.epochs() for m in others}
    lab.controller.stop()
    victim.power_off()
    wait_for(lambda: all(sees_down(m, victim) for m in others), 10, "the other gateways miss it")
    with flows(*all_pairs(lab)[:1], rate=RATE) as accounts:  # ten detection times
        wait_for(lambda: lab.scene.unreachable(10), 30, "its tenants are cut off")
    assert accounts[0]["received"] < accounts[0]["sent"]
    assert {m.name: m.epochs() for m in others} == before
    lab.controller.start()
    wait_for(lambda: api_answers(lab) and placed(lab, but=victim), 30, "a controller that is back takes over")
    wait_for(lambda: not lab.scene.unreachable(1), 15, "traffic passes")
    victim.power_on()
    lab.wait_roles(2)


def sees_down(member, victim):
    with member.gateway.api() as api:
        return any(s.state == 1 and bytes(s.remote.bytes[:4])[3] == 20 + victim.number for s in api.dump("bfd_state"))


def api_answers(lab):
    try:
        return lab.nc.request("GET", "credentials")[0] == 200
    except OSError:
        return False
