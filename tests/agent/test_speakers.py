# SPDX-License-Identifier: Apache-2.0
"""The agent and the real isthmus-bgp: sessions come up in a VRF's namespace and are reported.

    [ist-..-7: isthmus-bgp 10.0.0.1 on the TUN ---- lo: BIRD 10.0.0.2, AS 65001]
"""

import contextlib
import subprocess

import pytest

import scene
from conftest import wait_until
from localapi import LocalApi, ip_text, prefix_text

PEER = ('bgpPeer', '7/1/10.0.0.2')


class Bird:
    """In a VRF's namespace, where the far end of a connection would be."""

    def __init__(self, rig, vrf, routes, more=''):
        self.rig = rig
        self.ctl = rig.dir / 'bird.ctl'
        rig.inside(vrf, 'ip', 'addr', 'add', '10.0.0.2/32', 'dev', 'lo')
        (rig.dir / 'bird.conf').write_text(
            'router id 10.0.0.2;\nprotocol device {}\n'
            'protocol static s4 { ipv4; %s }\n'
            'protocol bgp isthmus { local 10.0.0.2 as 65001; neighbor 10.0.0.1 as 64512; multihop; strict bind; connect retry time 1;\n'
            '  connect delay time 1; error wait time 1, 2; graceful restart on; %s\n'
            '  ipv4 { import all; export all; }; }\n' % (' '.join('route %s blackhole;' % r for r in routes), more))
        self.process = subprocess.Popen(['nsenter', '--net=%s' % rig.namespace(vrf), 'bird', '-f', '-c',
                                         rig.dir / 'bird.conf', '-s', self.ctl], stderr=rig.log)

    def command(self, *words):
        return subprocess.run(['birdc', '-s', self.ctl, *words], check=True, capture_output=True, text=True).stdout

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture
def speaking(bare_rig):
    rig = bare_rig
    rig.certify()
    rig.start_forwarder()
    rig.start_bgp()
    rig.start_agent()
    with contextlib.ExitStack() as stack:
        rig.peer = lambda *routes, **more: stack.callback((bird := Bird(rig, 7, routes, **more)).stop) and bird
        yield rig


def filled(rig, *more, **peer):
    rig.controller.put(scene.gateway(), scene.slot(), scene.vrf(7), scene.connection(70, 7),
                       scene.routes(70, 7, ['10.0.0.2/32']), scene.bgp_router(7), scene.bgp_peer(7, '10.0.0.2', **peer), *more)
    rig.controller.wait_reached(rig.controller.revision)
    assert not rig.controller.errors


def told(rig, word):
    with LocalApi(rig.bgp_path) as api:
        return api.dump(word)


def is_connected(rig):
    return rig.controller.state.get(PEER, {}).get('state') == 'Connected'


def learnt(rig):
    return {r['prefix']: r['via'] for (kind, key), value in rig.controller.state.items()
            if kind == 'routes' and key.startswith('7/70') for r in value['learnt']}


def test_a_session_comes_up_and_what_it_teaches_is_reported_at_its_connection(speaking):
    rig = speaking
    filled(rig)
    bird = rig.peer('172.16.1.0/24', '172.16.2.0/24')
    rig.controller.wait(lambda: is_connected(rig), 15)
    rig.controller.wait(lambda: learnt(rig) == {'172.16.1.0/24': '10.0.0.2', '172.16.2.0/24': '10.0.0.2'})
    assert '10.7.0.0/24' in bird.command('show', 'route', 'protocol', 'isthmus')
    rig.controller.wait(lambda: rig.controller.state[PEER]['statistics']['updateMessageStats']['receivedCount'] > 0)
    assert 'RFC 8212' in rig.controller.state[PEER]['warning']
    wait_until(lambda: {prefix_text(r.prefix) for r in rig.dump('route') if r.source == 3} ==
               {'172.16.1.0/24', '172.16.2.0/24'})
    bird.command('disable', 's4')
    rig.controller.wait(lambda: not learnt(rig))
    assert ('routes', '7/70') not in rig.controller.state
    bird.stop()
    rig.controller.wait(lambda: not is_connected(rig))


def test_a_key_and_limits_reach_the_session(speaking):
    rig = speaking
    filled(rig, options={'md5Secret': 'k3y', 'maxPrefixes': 10, 'holdTimeS': 30, 'gracefulRestart': False})
    (peer,) = told(rig, 'bgp_peer')
    assert (peer.md5_key, peer.max_prefixes, peer.hold_time_s) == (b'k3y', 10, 30)
    rig.peer('172.16.1.0/24', more='password "k3y";')
    rig.controller.wait(lambda: is_connected(rig), 15)
    assert told(rig, 'bgp_peer_state')[0].hold_time_s == 30


def test_a_policy_map_decides(speaking):
    rig = speaking
    entries = [{'policyName': 'P1', 'action': 'Deny', 'setActions': [],
                'matchCriteria': [{'property': 'MatchPrefix', 'value': ['172.16.2.0/24']}]},
               {'policyName': 'P2', 'action': 'ModifyAttribute', 'matchCriteria': [],
                'setActions': [{'property': 'Add-Community', 'value': '65001:9'}]}]
    filled(rig, ('policyMap', '7/map1', {'vrf': 7, 'name': 'map1', 'entries': entries}), policyIn='map1', policyOut='map1')
    rig.peer('172.16.1.0/24', '172.16.2.0/24')
    rig.controller.wait(lambda: learnt(rig) == {'172.16.1.0/24': '10.0.0.2'}, 15)
    assert {prefix_text(r.prefix): r.communities for r in told(rig, 'bgp_route')}['172.16.1.0/24'] == b'65001:9'
    entries[0]['matchCriteria'][0]['value'] = ['10.0.0.0/33']
    rig.controller.put(('policyMap', '7/map1', {'vrf': 7, 'name': 'map1', 'entries': entries}))
    rig.controller.wait(lambda: ('policyMap', '7/map1') in rig.controller.errors)
    assert 'MatchPrefix' in rig.controller.errors['policyMap', '7/map1']['message']
    assert is_connected(rig)


def test_a_restarted_isthmus_bgp_is_told_everything_and_routes_stay(speaking):
    rig = speaking
    filled(rig)
    rig.peer('172.16.1.0/24')
    rig.controller.wait(lambda: learnt(rig) == {'172.16.1.0/24': '10.0.0.2'}, 15)
    before = rig.controller.state[PEER]['statistics']['tcpConnectionEstablished']
    rig.kill(rig.bgp)
    assert learnt(rig) and any(r.source == 3 for r in rig.dump('route'))
    reports = len(rig.controller.reports)
    rig.start_bgp()
    rig.controller.wait(lambda: is_connected(rig) and before !=
                        rig.controller.state[PEER]['statistics']['tcpConnectionEstablished'], 20)
    assert [ip_text(p.address) for p in told(rig, 'bgp_peer')] == ['10.0.0.2']
    rig.controller.wait(lambda: learnt(rig) == {'172.16.1.0/24': '10.0.0.2'})
    assert not any(g['kind'] == 'routes' for r in rig.controller.reports[reports:] for g in r['gone'])


def test_a_restarted_agent_flaps_no_session(speaking):
    rig = speaking
    filled(rig)
    rig.peer('172.16.1.0/24')
    rig.controller.wait(lambda: is_connected(rig), 15)
    rig.kill(rig.agent)
    rig.controller.state.clear()
    rig.start_agent()
    rig.controller.wait(lambda: is_connected(rig) and learnt(rig) == {'172.16.1.0/24': '10.0.0.2'}, 15)
    assert told(rig, 'bgp_peer_state')[0].flaps == 0


def test_only_the_holder_of_the_slot_speaks(speaking):
    rig = speaking
    filled(rig)
    rig.peer('172.16.1.0/24')
    rig.controller.wait(lambda: is_connected(rig), 15)
    rig.controller.wait_reached(rig.controller.put(scene.slot(active=False)))
    assert told(rig, 'bgp_peer') == told(rig, 'bgp_router') == told(rig, 'bgp_network') == []
    assert len(rig.dump('tun')) == 1  # the namespace waits for the slot to come back
    rig.controller.wait_reached(rig.controller.put(scene.slot(epoch=9)))
    rig.controller.wait(lambda: is_connected(rig), 20)


def test_more_routes_than_a_page_cost_a_page_each(speaking):
    rig = speaking
    prefixes = ['172.%d.%d.0/24' % (16 + i // 256, i % 256) for i in range(2500)]
    filled(rig)
    bird = rig.peer(*prefixes)
    rig.controller.wait(lambda: set(learnt(rig)) == set(prefixes), 20)
    assert {key for kind, key in rig.controller.state if kind == 'routes'} == {'7/70', '7/70/1', '7/70/2'}
    bird.stop()
    rig.controller.wait(lambda: not is_connected(rig))
