# SPDX-License-Identifier: Apache-2.0
"""controller --southbound--> agent --local protocol--> forwarder: what is wanted becomes real."""

import json
import time

import scene
from conftest import wait_until
from localapi import ip_text, prefix_text


def by_prefix(rig, vrf):
    return {prefix_text(r.prefix): r for r in rig.dump('route') if r.vrf == vrf}


def test_every_kind_reaches_the_forwarder_as_it_was_said(rig):
    rig.controller.put(
        scene.gateway(), scene.slot(), *scene.tenant(4),
        ('tenantSlot', '4/1', {'vrf': 4, 'slot': 1, 'mac': '02:70:00:00:00:01', 'vni': 5004, 'pa': ['10.64.0.100']}),
        ('localAddress', '4/10.0.0.1', {'vrf': 4, 'address': '10.0.0.1', 'vni': 5004, 'slot': 1, 'isGateway': True}),
        ('connection', '9', {'connection': 9, 'vrf': 4, 'slot': 1, 'type': 'L3', 'enabled': True, 'l3Port': 1,
                             'l3Vlan': 1001, 'addresses': ['15.0.0.5/29'], 'peers': ['15.0.0.1'], 'inKbps': 1000}))
    rig.controller.wait_reached(1)
    (addr,) = rig.dump('underlay_addr')
    assert (ip_text(addr.addr), addr.prefix_len, addr.port) == ('10.64.0.21', 24, 0)
    (slot,) = rig.dump('slot')
    assert (slot.slot, slot.active, slot.epoch, ip_text(slot.pa[0]), ip_text(slot.gre_vip[0])) == (1, 1, 7, '10.64.0.100', '10.65.0.2')
    assert [v.name for v in rig.dump('vrf')] == [b'Tenant4']
    (subnet,) = rig.dump('subnet')
    assert (subnet.vni, subnet.vrf, subnet.encap, prefix_text(subnet.prefix[0])) == (5004, 4, 1, '10.0.0.0/24')
    (ts,) = rig.dump('tenant_slot')
    assert bytes(ts.mac) == bytes.fromhex('027000000001')
    (local,) = rig.dump('local_addr')
    assert (ip_text(local.addr), local.is_gateway) == ('10.0.0.1', 1)
    (host,) = rig.dump('host')
    assert (ip_text(host.addr), ip_text(host.pa[0])) == ('10.0.0.4', '10.64.0.11')
    conns = {c.conn: c for c in rig.dump('conn')}
    assert (conns[4].type, conns[4].gre_key, conns[4].flags & 3, ip_text(conns[4].remote)) == (1, 4, 3, '198.51.100.10')
    assert (conns[9].type, conns[9].l3_vlan, ip_text(conns[9].l3_peer[0]), conns[9].in_kbps) == (2, 1001, '15.0.0.1', 1000)
    routes = by_prefix(rig, 4)
    assert sorted(routes) == ['10.0.0.0/24', '15.0.0.0/29', '192.168.4.0/24']
    assert (routes['192.168.4.0/24'].source, routes['192.168.4.0/24'].path[0].id) == (2, 4)
    assert (routes['10.0.0.0/24'].source, routes['10.0.0.0/24'].path[0].id) == (1, 5004)
    default = by_prefix(rig, 0)['0.0.0.0/0']
    assert ip_text(default.path[0].via) == '10.64.0.1'


def test_what_is_deleted_goes_and_what_it_needed_goes_after_it(rig):
    rig.controller.put(scene.gateway(), scene.slot(), *scene.tenant(4), *scene.tenant(5))
    rig.controller.wait_reached(1)
    revision = rig.controller.put(*((kind, key, None) for kind, key, _ in scene.tenant(4)))
    rig.controller.wait_reached(revision)
    assert [v.vrf for v in rig.dump('vrf')] == [5]
    assert {r.vrf for r in rig.dump('route')} == {0, 5}
    with rig.api() as api:
        order = {k: v for k, v in api.counters().items() if k.startswith('order.')}
    assert order['order.API_TYPE_ROUTE'] < order['order.API_TYPE_CONN'] < order['order.API_TYPE_VRF']


def test_an_unchanged_object_touches_nothing(rig):
    rig.controller.put(scene.gateway(), scene.slot(), *scene.tenant(4))
    rig.controller.wait_reached(1)
    before = rig.messages()
    revision = rig.controller.put(scene.slot(), *scene.tenant(4))
    rig.controller.wait_reached(revision)
    assert rig.messages() == before


def test_two_connections_of_one_prefix_make_one_ecmp_route(rig):
    rig.controller.put(scene.slot(), *scene.tenant(4), scene.connection(40, 4),
                       scene.routes(40, 4, ['192.168.4.0/24'], weight=3))
    rig.controller.wait_reached(1)
    route = by_prefix(rig, 4)['192.168.4.0/24']
    assert [(p.id, p.weight) for p in route.path[:route.path_count]] == [(4, 0), (40, 3)]
    revision = rig.controller.put(('connection', '4', None), ('routes', '4/4', None))
    rig.controller.wait_reached(revision)
    route = by_prefix(rig, 4)['192.168.4.0/24']
    assert [p.id for p in route.path[:route.path_count]] == [40]


def test_the_lower_metric_takes_all(rig):
    rig.controller.put(scene.slot(), *scene.tenant(4), scene.connection(40, 4),
                       ('routes', '4/40', {'vrf': 4, 'connection': 40,
                                           'routes': [{'prefix': '192.168.4.0/24', 'metric': 5}]}))
    rig.controller.wait_reached(1)
    route = by_prefix(rig, 4)['192.168.4.0/24']
    assert [p.id for p in route.path[:route.path_count]] == [40]


def test_a_full_list_removes_what_it_does_not_name(rig):
    rig.controller.put(scene.slot(), *scene.tenant(4), *scene.tenant(5))
    rig.controller.wait_reached(1)
    rig.kill(rig.agent)
    controller = rig.controller
    with controller.changed:
        for kind, key, _ in scene.tenant(5):
            del controller.objects[kind, key]  # compacted away: no tombstone is left
        controller.revision += 1
    rig.agent = None
    (rig.dir / 'state/wanted.db').unlink()
    rig.start_agent()
    controller.wait_reached(controller.revision)
    assert [v.vrf for v in rig.dump('vrf')] == [4]


def test_a_refused_object_is_reported_alone_and_heals(rig):
    rig.controller.put(scene.slot(), *scene.tenant(4),
                       ('vrf', '5', {'vrf': 5, 'name': 'refuse me'}))
    rig.controller.wait_reached(1)
    rig.controller.wait(lambda: ('vrf', '5') in rig.controller.errors)
    error = rig.controller.errors['vrf', '5']
    assert error['code'] == 'PolicyConfigurationFailure' and 'refused, as asked' in error['message']
    assert len(rig.controller.errors) == 1
    assert [v.vrf for v in rig.dump('vrf')] == [4]
    rig.controller.put(scene.vrf(5))
    rig.controller.wait(lambda: not rig.controller.errors)
    assert sorted(v.vrf for v in rig.dump('vrf')) == [4, 5]


def test_a_malformed_object_is_reported_and_the_last_good_one_stays(rig):
    rig.controller.put(scene.slot(), *scene.tenant(4))
    rig.controller.wait_reached(1)
    bad = dict(scene.connection(4, 4)[2], remote='not an address')
    rig.controller.put(('connection', '4', bad))
    rig.controller.wait(lambda: ('connection', '4') in rig.controller.errors)
    assert 'remote' in rig.controller.errors['connection', '4']['message']
    assert [ip_text(c.remote) for c in rig.dump('conn')] == ['198.51.100.10']


def test_unknown_kinds_are_ignored_unless_they_must_be_understood(rig):
    rig.controller.put(scene.slot(), ('teapot', '1', {'short': True}))
    rig.controller.wait_reached(1)
    assert not rig.controller.errors
    with rig.controller.changed:
        rig.controller.put(('kettle', '1', {}))
        rig.controller.objects['kettle', '1']['must'] = True
    rig.controller.wait(lambda: ('kettle', '1') in rig.controller.errors)


def test_one_change_costs_the_same_among_100_and_10_000_connections(rig):
    """Counts of what the agent reads, and messages to the forwarder; not times."""
    costs = []
    added = 0
    for size in (100, 10000):
        rig.controller.put(scene.slot(), *(o for n in range(added + 1, size + 1) for o in scene.tenant(n)))
        added = size
        rig.controller.wait_reached(rig.controller.revision, 300)
        assert len(rig.dump('conn')) == size
        before = rig.messages(), rig.agent_status()
        revision = rig.controller.put(scene.connection(7, 7, inKbps=size))
        rig.controller.wait_reached(revision)
        after = rig.messages(), rig.agent_status()
        costs.append((after[0] - before[0], after[1].objects_read - before[1].objects_read,
                      after[1].objects_touched - before[1].objects_touched, rig.controller.answered[-1]))
    assert costs[0][:3] == costs[1][:3] == (1, 1, 2)
    assert abs(costs[0][3] - costs[1][3]) < 10  # digits
    print(costs)


def test_one_change_costs_the_same_with_1000_connections_in_one_tenant(rig):
    costs, added = [], 1
    rig.controller.put(scene.slot(), *scene.tenant(1))
    for size in (100, 1000):
        numbers = range(added + 1, size + 1)
        rig.controller.put(*(o for n in numbers for o in (
            scene.connection(n, 1), scene.routes(n, 1, ['172.16.%d.%d/32' % (n // 256, n % 256)]))))
        added = size
        rig.controller.wait_reached(rig.controller.revision, 300)
        assert len(rig.dump('conn')) == size
        before = rig.messages(), rig.agent_status()
        rig.controller.wait_reached(rig.controller.put(scene.connection(7, 1, inKbps=size)))
        after = rig.messages(), rig.agent_status()
        costs.append((after[0] - before[0], after[1].objects_read - before[1].objects_read,
                      after[1].objects_touched - before[1].objects_touched))
    assert costs[0] == costs[1] == (1, 1, 2)


def test_connection_state_comes_up_and_goes(rig):
    rig.controller.put(scene.slot(), *scene.tenant(4))
    rig.controller.wait(lambda: rig.controller.state.get(('connection', '4'), {}).get('state') == 'Connected')
    assert rig.controller.state['connection', '4']['statistics']['inboundBytes'] == 0
    rig.controller.put(scene.connection(4, 4, enabled=False))
    rig.controller.wait(lambda: rig.controller.state['connection', '4']['state'] == 'Disconnected')
    rig.controller.put(('connection', '4', None))
    rig.controller.wait(lambda: ('connection', '4') not in rig.controller.state)


def test_heartbeats_come_every_100_ms_and_carry_the_workers_count(rig):
    beats = rig.controller.heartbeats
    rig.controller.wait(lambda: len(beats) >= 20)
    (start, first), (end, last) = beats[-15], beats[-1]
    assert 0.08 < (end - start) / 14 < 0.2
    assert last['workers'] > first['workers'] and last['beat'] > first['beat']
    rig.kill(rig.forwarder)
    rig.controller.wait(lambda: len(beats) >= 5 and beats[-1][1]['workers'] == beats[-4][1]['workers'])


def paths(rig, prefix):
    for r in rig.dump('route'):
        if prefix_text(r.prefix) == prefix:
            return [(p.type, p.id) for p in list(r.path)[:r.path_count]]
    return None


def test_a_backup_route_takes_over_while_its_better_is_down(rig):
    rig.controller.put(scene.slot(), scene.vrf(4), scene.connection(41, 4), scene.connection(42, 4, greKey=9),
                       ('routes', '4/41', {'vrf': 4, 'connection': 41, 'routes': [{'prefix': '192.168.9.0/24', 'metric': 10}]}),
                       ('routes', '4/42', {'vrf': 4, 'connection': 42, 'routes': [{'prefix': '192.168.9.0/24', 'metric': 20}]}))
    rig.controller.wait_reached(rig.controller.revision)
    assert paths(rig, '192.168.9.0/24') == [(1, 41)]
    rig.controller.put(scene.connection(41, 4, enabled=False))
    wait_until(lambda: paths(rig, '192.168.9.0/24') == [(1, 42)])
    rig.controller.put(scene.connection(41, 4))
    wait_until(lambda: paths(rig, '192.168.9.0/24') == [(1, 41)])
    rig.controller.put(scene.connection(41, 4, enabled=False), scene.connection(42, 4, greKey=9, enabled=False))
    wait_until(lambda: [s['state'] for k, s in rig.controller.state.items() if k[0] == 'connection'] == ['Disconnected'] * 2)
    assert paths(rig, '192.168.9.0/24') == [(1, 41)]


def test_routes_of_a_connection_that_is_elsewhere_lead_to_its_slot(rig):
    block = {'vrf': 4, 'connection': 77, 'slot': 9, 'routes': [{'prefix': '192.168.9.0/24', 'metric': 10}]}
    rig.controller.put(scene.slot(), scene.vrf(4), ('routes', '4/77', block))
    rig.controller.wait_reached(1)
    assert paths(rig, '192.168.9.0/24') == [(3, 9)]
    rig.controller.wait_reached(rig.controller.put(scene.connection(77, 4, 9)))
    assert paths(rig, '192.168.9.0/24') == [(1, 77)]
    rig.controller.wait_reached(rig.controller.put(('connection', '77', None)))
    assert paths(rig, '192.168.9.0/24') == [(3, 9)]
