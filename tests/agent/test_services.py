# SPDX-License-Identifier: Apache-2.0
"""What the agent makes in the kernel for a VRF that the gateway serves: namespace, TUN, addresses."""

import subprocess
import time

import scene
from conftest import wait_until


def filled(rig, *vrfs, **more):
    rig.controller.put(scene.gateway(), scene.slot(), *(scene.vrf(n) for n in vrfs),
                       *(scene.bgp_router(n, **more) for n in vrfs))
    rig.controller.wait_reached(rig.controller.revision)
    assert not rig.controller.errors


def is_namespace(path):
    return path.exists() and path.stat().st_dev != path.parent.stat().st_dev


def test_a_router_has_a_namespace_with_a_tun_and_its_address(rig):
    filled(rig, 7, 8)
    name = rig.namespace(7).name
    assert is_namespace(rig.namespace(7)) and len(name) <= 15
    assert 'inet 10.0.0.1/32' in rig.inside(7, 'ip', 'addr', 'show', 'dev', name)
    assert 'default dev %s' % name in rig.inside(7, 'ip', 'route')
    assert 'default dev %s' % name in rig.inside(7, 'ip', '-6', 'route')
    wait_until(lambda: sorted((t.vrf, t.name) for t in rig.dump('tun')) ==
               [(n, rig.namespace(n).name.encode()) for n in (7, 8)])
    assert 'LOWER_UP' in rig.inside(7, 'ip', 'link', 'show', 'dev', name)  # the forwarder holds it


def test_an_ipv6_address_and_a_change_of_address(rig):
    filled(rig, 7, address=['10.0.0.1', '2001:db8::1'])
    assert 'inet6 2001:db8::1/128' in rig.inside(7, 'ip', 'addr')
    before = rig.namespace(7).stat().st_ino
    revision = rig.controller.put(scene.bgp_router(7, address=['10.0.0.9']))
    rig.controller.wait_reached(revision)
    text = rig.inside(7, 'ip', 'addr')
    assert '10.0.0.9/32' in text and '10.0.0.1/32' not in text and '2001:db8::1' not in text
    assert rig.namespace(7).stat().st_ino == before


def test_the_last_router_of_a_vrf_takes_its_namespace_along(rig):
    filled(rig, 7, 8)
    rig.controller.wait_reached(rig.controller.put(('bgpRouter', '7/1', None)))
    assert not rig.namespace(7).exists() and is_namespace(rig.namespace(8))
    wait_until(lambda: [t.vrf for t in rig.dump('tun')] == [8])


def test_a_restarted_agent_adopts_what_is_there(rig):
    filled(rig, 7, 8)
    wait_until(lambda: len(rig.dump('tun')) == 2)
    before = [rig.namespace(n).stat().st_ino for n in (7, 8)], rig.messages()
    rig.kill(rig.agent)
    rig.start_agent()
    wait_until(lambda: rig.agent_status().controller_up)
    rig.controller.wait_reached(rig.controller.put(scene.gateway(alone=False)))
    assert ([rig.namespace(n).stat().st_ino for n in (7, 8)], rig.messages()) == before
    rig.kill(rig.agent)
    rig.inside(7, 'ip', 'addr', 'add', '10.0.0.77/32', 'dev', rig.namespace(7).name)
    rig.start_agent()
    wait_until(lambda: '10.0.0.77' not in rig.inside(7, 'ip', 'addr'))


def test_what_is_wanted_no_longer_goes_at_the_next_start(rig):
    filled(rig, 7)
    rig.kill(rig.agent)
    rig.controller.put(('bgpRouter', '7/1', None))
    rig.start_agent()
    wait_until(lambda: not rig.namespace(7).exists())


def test_a_restarted_forwarder_is_given_every_device_again(rig):
    filled(rig, 7, 8)
    before = [rig.namespace(n).stat().st_ino for n in (7, 8)]
    rig.kill(rig.forwarder)
    wait_until(lambda: 'NO-CARRIER' in rig.inside(7, 'ip', 'link', 'show', 'dev', rig.namespace(7).name))
    assert '10.0.0.1/32' in rig.inside(7, 'ip', 'addr')
    rig.start_forwarder()
    wait_until(lambda: len(rig.dump('tun')) == 2)
    wait_until(lambda: 'LOWER_UP' in rig.inside(7, 'ip', 'link', 'show', 'dev', rig.namespace(7).name))
    assert [rig.namespace(n).stat().st_ino for n in (7, 8)] == before


def test_namespaces_lost_with_a_mount_namespace_are_made_anew(rig):
    filled(rig, 7)
    wait_until(lambda: len(rig.dump('tun')) == 1)
    rig.kill(rig.agent)
    subprocess.run(['umount', '-l', rig.namespace(7)], check=True)
    rig.start_agent()
    wait_until(lambda: is_namespace(rig.namespace(7)))
    wait_until(lambda: '10.0.0.1/32' in rig.inside(7, 'ip', 'addr'))
    wait_until(lambda: 'LOWER_UP' in rig.inside(7, 'ip', 'link', 'show', 'dev', rig.namespace(7).name))


def test_hundreds_of_services_keep_the_heartbeat_going(rig):
    vrfs = range(1, 301)
    start = time.monotonic()
    filled(rig, *vrfs)
    wait_until(lambda: len(rig.dump('tun')) == len(vrfs), 30)
    took = time.monotonic() - start
    beats = [t for t, _ in rig.controller.heartbeats]
    assert max(b - a for a, b in zip(beats, beats[1:])) < 0.5
    print('%d services in %.2f s' % (len(vrfs), took))
    rig.controller.wait_reached(rig.controller.put(*(('bgpRouter', '%d/1' % n, None) for n in vrfs)), 30)
    assert not list(rig.netns_dir.iterdir())
