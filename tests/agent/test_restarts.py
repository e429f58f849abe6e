# SPDX-License-Identifier: Apache-2.0
"""Who dies is not missed: controller, agent and forwarder, each alone and some together."""

import time

import scene
from conftest import wait_until
from fake_controller import FakeController
from localapi import LocalApi


def filled(rig, tenants=3, alone=True):
    rig.controller.put(scene.gateway(alone), scene.slot(),
                       *(o for n in range(1, tenants + 1) for o in scene.tenant(n)))
    rig.controller.wait_reached(1)


def test_a_restarted_forwarder_is_told_everything_within_a_second(rig):
    filled(rig, tenants=1000)
    routes = len(rig.dump('route'))
    rig.kill(rig.forwarder)
    rig.start_forwarder()
    start = time.monotonic()
    wait_until(lambda: len(rig.dump('route')) == routes, tick=0.02)
    assert time.monotonic() - start < 1.0
    (slot,) = rig.dump('slot')
    assert slot.active == 1


def test_a_restarted_agent_touches_nothing(rig):
    filled(rig)
    before = rig.messages()
    rig.kill(rig.agent)
    rig.start_agent()
    wait_until(lambda: rig.agent_status().controller_up)
    revision = rig.controller.put(('vrf', '9', None))
    rig.controller.wait_reached(revision)
    assert rig.messages() == before
    assert rig.dump('slot')[0].active == 1


def test_a_dead_controller_touches_nothing(rig):
    filled(rig)
    before = rig.messages()
    rig.controller.close()
    wait_until(lambda: not rig.agent_status().controller_up)
    assert rig.messages() == before


def test_the_next_controller_is_found_and_only_the_difference_is_asked(rig):
    filled(rig)
    old = rig.controller
    old.close()
    wait_until(lambda: not rig.agent_status().controller_up)
    rig.controller = FakeController(rig.authority, old.port, old.objects, old.revision)
    revision = rig.controller.put(scene.vrf(9))
    rig.controller.wait_reached(revision)
    assert all(poll['since'] >= 1 for poll in rig.controller.polls)
    assert sorted(v.vrf for v in rig.dump('vrf')) == [1, 2, 3, 9]
    assert rig.controller.reports[0]['instance'] == old.reports[0]['instance']


def reboot_without_controller(rig):
    rig.controller.close()
    rig.kill(rig.agent)
    rig.kill(rig.forwarder)
    rig.start_forwarder()
    rig.start_agent()


def test_a_rebooted_gateway_alone_in_its_pool_forwards_from_disk(rig):
    filled(rig, alone=True)
    reboot_without_controller(rig)
    wait_until(lambda: len(rig.dump('conn')) == 3)
    assert rig.dump('slot')[0].active == 1


def test_a_rebooted_gateway_of_a_larger_pool_waits_for_its_epochs(rig):
    filled(rig, alone=False)
    assert rig.dump('slot')[0].active == 1
    old = rig.controller
    reboot_without_controller(rig)
    wait_until(lambda: len(rig.dump('conn')) == 3)
    wait_until(lambda: rig.agent_status().settled)
    assert [s.active for s in rig.dump('slot')] == [0]
    rig.controller = FakeController(rig.authority, old.port, old.objects, old.revision)
    wait_until(lambda: rig.dump('slot')[0].active == 1)


def test_an_answer_older_than_what_was_applied_is_refused(rig):
    filled(rig)
    old = rig.controller
    old.close()
    rig.controller = FakeController(rig.authority, old.port, {}, 5)
    rig.controller.term = 0
    rig.controller.put(scene.vrf(99))
    wait_until(lambda: 'older than what was applied' in rig.agent_log())
    assert sorted(v.vrf for v in rig.dump('vrf')) == [1, 2, 3]


def test_secrets_are_sealed_on_disk_and_survive(rig):
    rig.controller.put(scene.slot(), *scene.tenant(4))
    revision = rig.controller.put(scene.connection(4, 4, ipsec={'sharedSecret': 'topsecret-111_aaa'}))
    rig.controller.wait_reached(revision)
    rig.kill(rig.agent)
    state = rig.dir / 'state'
    for path in state.iterdir():
        assert b'topsecret' not in path.read_bytes(), path
        assert path.stat().st_mode & 0o077 == 0, path
    assert state.stat().st_mode & 0o077 == 0
    rig.kill(rig.forwarder)
    rig.start_forwarder()
    rig.start_agent()
    wait_until(lambda: [c.conn for c in rig.dump('conn')] == [4])


def iv_epochs(rig):
    return {s.slot: (s.iv_epoch, s.active) for s in rig.dump('slot')}


def restart_forwarder(rig):
    rig.kill(rig.forwarder)
    rig.start_forwarder()
    wait_until(lambda: len(rig.dump('slot')) == 2)


def two_slots(rig, block):
    rig.controller.put(('gateway', 'self', {'name': 'GW1', 'pool': 'default', 'alone': True, 'ivBlock': block, 'underlay': []}),
                       scene.slot(1, epoch=7), scene.slot(2, epoch=8))
    rig.controller.wait_reached(rig.controller.revision)


def test_every_life_of_the_forwarder_has_iv_epochs_of_its_own(rig):
    two_slots(rig, [1000, 3])
    assert iv_epochs(rig) == {1: (7, 1), 2: (8, 1)}
    restart_forwarder(rig)
    wait_until(lambda: iv_epochs(rig) == {1: (1000, 1), 2: (1000, 1)})
    rig.controller.wait_reached(rig.controller.put(scene.slot(2, epoch=9)))  # activated again since
    assert iv_epochs(rig) == {1: (1000, 1), 2: (9, 1)}
    restart_forwarder(rig)
    wait_until(lambda: iv_epochs(rig) == {1: (1001, 1), 2: (1001, 1)})
    assert rig.controller.state['gateway', 'self'] == {'ivNext': 1002} or \
        rig.controller.wait(lambda: rig.controller.state['gateway', 'self'] == {'ivNext': 1002}) is None


def test_a_restarted_agent_gives_a_living_forwarder_no_other_iv_epoch(rig):
    two_slots(rig, [1000, 3])
    restart_forwarder(rig)
    wait_until(lambda: iv_epochs(rig) == {1: (1000, 1), 2: (1000, 1)})
    before = rig.changes()
    rig.kill(rig.agent)
    rig.start_agent()
    rig.controller.wait_reached(rig.controller.put(('vrf', '9', None)))
    assert rig.changes() == before
    assert iv_epochs(rig) == {1: (1000, 1), 2: (1000, 1)}


def test_iv_epochs_written_off_stay_so_when_agent_and_forwarder_die_together(rig):
    two_slots(rig, [1000, 3])
    restart_forwarder(rig)
    wait_until(lambda: iv_epochs(rig)[1] == (1000, 1))
    rig.kill(rig.agent)
    rig.kill(rig.forwarder)
    rig.start_forwarder()
    rig.start_agent()
    wait_until(lambda: iv_epochs(rig) == {1: (1001, 1), 2: (1001, 1)})


def test_without_an_iv_epoch_a_slot_waits_for_the_next_block(rig):
    two_slots(rig, [1000, 1])
    restart_forwarder(rig)
    wait_until(lambda: iv_epochs(rig)[1] == (1000, 1))
    restart_forwarder(rig)
    wait_until(lambda: 'waits for an IV epoch' in rig.agent_log())
    assert [active for _, active in iv_epochs(rig).values()] == [0, 0]
    two_slots(rig, [2000, 1])
    wait_until(lambda: iv_epochs(rig) == {1: (2000, 1), 2: (2000, 1)})
