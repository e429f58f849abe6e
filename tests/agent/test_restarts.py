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
    rig.controller.put(scene.connection(4, 4, ipsec={'sharedSecret': 'topsecret-111_aaa'}))
    rig.controller.wait_reached(2)
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
