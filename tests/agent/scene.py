# SPDX-License-Identifier: Apache-2.0
"""Southbound objects of a small gateway: one slot, tenants with a GRE connection each."""


def gateway(alone=True):
    return ('gateway', 'self', {
        'name': 'GW1', 'pool': 'default', 'alone': alone, 'ivBlock': [1000000, 256],
        'underlay': [{'port': 0, 'vlan': 0, 'address': '10.64.0.21/24'}],
        'defaultGateways': ['10.64.0.1']})


def slot(number=1, active=True, epoch=7, **more):
    return ('slot', str(number), {
        'slot': number, 'active': active, 'epoch': epoch, 'ivEpoch': epoch, 'port': 0, 'vlan': 0,
        'pa': ['10.64.0.100'], 'greVip': ['10.65.0.2'], 'vip': [], **more})


def vrf(n):
    return ('vrf', str(n), {'vrf': n, 'name': 'Tenant%d' % n, 'rdid': '0' * 32})


def subnet(n):
    return ('subnet', str(5000 + n), {'vni': 5000 + n, 'vrf': n, 'encap': 'VXLAN',
                                      'prefixes': ['10.0.0.0/24']})


def host(n, last=4, pa='10.64.0.11'):
    return ('host', '%d/10.0.0.%d' % (n, last), {
        'vrf': n, 'address': '10.0.0.%d' % last, 'vni': 5000 + n, 'mac': '02:00:00:00:%02x:%02x' % (n % 256, last),
        'pa': [pa]})


def connection(number, n, slot_number=1, **more):
    return ('connection', str(number), {
        'connection': number, 'vrf': n, 'slot': slot_number, 'type': 'GRE', 'name': 'gre%d' % number,
        'enabled': True, 'local': '10.65.0.2', 'remote': '198.51.100.10', 'greKey': number, **more})


def routes(number, n, prefixes, **more):
    return ('routes', '%d/%d' % (n, number), {
        'vrf': n, 'connection': number, 'routes': [{'prefix': p, 'metric': 10, **more} for p in prefixes]})


def tenant(n, number=None):
    number = number or n
    return [vrf(n), subnet(n), host(n), connection(number, n), routes(number, n, ['192.168.%d.0/24' % (n % 256)])]


def bgp_router(n, address='10.0.0.1', slot_number=1, **more):
    return ('bgpRouter', '%d/%d' % (n, slot_number), {
        'vrf': n, 'slot': slot_number, 'ref': '/virtualGateways/t%d/bgpRouters/r' % n, 'asn': 64512,
        'routerId': '10.0.0.1', 'address': address, 'reflector': True, 'clusterId': '10.0.0.1',
        'networks': ['10.%d.0.0/24' % (n % 256)], 'service': True, **more})


def bgp_peer(n, address, asn=65001, slot_number=1, **more):
    return ('bgpPeer', '%d/%d/%s' % (n, slot_number, address), {
        'vrf': n, 'slot': slot_number, 'ref': '/virtualGateways/t%d/bgpRouters/r/bgpPeers/p' % n,
        'address': address, 'asn': asn, 'local': '10.0.0.1', 'client': False, **more})
