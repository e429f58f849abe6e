# SPDX-License-Identifier: Apache-2.0
"""Tells a forwarder about a scene over its local API, as the agent would: no controller needed."""

from fabric import HNV_ROUTER
from localapi import constants, ip, mac, prefix, structs

SLOT, SLOT_PA, SLOT_GRE_VIP = 1, "10.64.0.100", "10.65.0.2"
GATEWAY_OWN = "10.64.0.21"
UP, TRUNK = 0, 1
C = constants


def gateway_mac(tenant):
    return "02:70:00:00:00:%02x" % tenant.number


def gateway_address(tenant):
    return "10.0.255.4"


def conn_ids(tenant):
    """(GRE, L3)"""
    return tenant.number * 10 + 1, tenant.number * 10 + 2


def fill(array, *values):
    for i, value in enumerate(values):
        array[i] = value
    return array


def slot(epoch=1, active=1):
    s = structs["api_slot"](slot=SLOT, active=active, port=UP, epoch=epoch, iv_epoch=epoch)
    s.pa[0], s.gre_vip[0] = ip(SLOT_PA), ip(SLOT_GRE_VIP)
    return s


def route(vrf, destination, kind, id=0, via=None, source="STATIC", preference=1):
    r = structs["api_route"](vrf=vrf, prefix=prefix(destination), source=C["API_ROUTE_" + source], preference=preference, path_count=1)
    r.path[0].type, r.path[0].id = C["API_PATH_" + kind], id
    if via:
        r.path[0].via = ip(via)
    return r


def vlan_conn(vrf, slot, conn, address, name, vlan=0, peer=None):
    """An L3 connection on port 1, as "10.1.0.1/24", untagged unless told otherwise."""
    c = structs["api_conn"](conn=conn, vrf=vrf, slot=slot, type=C["API_CONN_L3"], flags=C["API_CONN_F_ENABLED"], l3_port=1,
                            l3_vlan=vlan, l3_addr_count=1, l3_peer_count=1 if peer else 0, name=name)
    c.l3_addr[0].addr, c.l3_addr[0].prefix_len = ip(address.split("/")[0]), int(address.split("/")[1])
    if peer:
        c.l3_peer[0] = ip(peer)
    return c


def configure_vrf(api, vrf, slot, own, **addresses):
    """A gateway with one tenant: its own address, its slot with floating `pa`, `gre_vip` or `vip`, the VRF."""
    s = structs["api_slot"](slot=slot, active=1, port=UP, epoch=1, iv_epoch=1)
    for kind, address in addresses.items():
        getattr(s, kind)[0] = ip(address)
    api.set("underlay_addr", port=UP, addr=ip(own), prefix_len=24)
    api.set("slot", s)
    api.set("vrf", vrf=vrf, name=b"tenant")


def host(tenant, vm, pa):
    h = structs["api_host"](vrf=tenant.number, addr=ip(tenant.vm_addresses[vm]), vni=tenant.vni, mac=mac(tenant.vm_macs[vm]))
    h.pa[0] = ip(pa)
    return h


def gre_conn(tenant, **fields):
    return structs["api_conn"](conn=conn_ids(tenant)[0], vrf=tenant.number, slot=SLOT, type=C["API_CONN_GRE"],
                               flags=C["API_CONN_F_ENABLED"] | C["API_CONN_F_GRE_KEY"], gre_key=tenant.gre_key,
                               local=ip(SLOT_GRE_VIP), remote=ip(tenant.site_address), name=b"gre", **fields)


def l3_conn(tenant, **fields):
    c = structs["api_conn"](conn=conn_ids(tenant)[1], vrf=tenant.number, slot=SLOT, type=C["API_CONN_L3"],
                            flags=C["API_CONN_F_ENABLED"], l3_port=TRUNK, l3_vlan=tenant.vlan, l3_addr_count=1, l3_peer_count=1,
                            name=b"l3", **fields)
    c.l3_addr[0].addr, c.l3_addr[0].prefix_len, c.l3_peer[0] = ip(tenant.vlan_gateway), 29, ip(tenant.vlan_router)
    return c


def configure_provider(api):
    api.set("underlay_addr", port=UP, addr=ip(GATEWAY_OWN), prefix_len=24)
    api.set("route", route(0, "0.0.0.0/0", "PORT", UP << 16, HNV_ROUTER))
    api.set("slot", slot())


def configure_tenant(api, t, pas):
    """pas: host's name -> PA."""
    v = t.number
    api.set("vrf", vrf=v, name=t.name.encode())
    for vni, subnet in ((t.vni, t.subnet), (t.gateway_vni, t.gateway_subnet)):
        s = structs["api_subnet"](vni=vni, vrf=v, encap=C["API_ENCAP_VXLAN"], prefix_count=1)
        s.prefix[0] = prefix(subnet)
        api.set("subnet", s)
    ts = structs["api_tenant_slot"](vrf=v, slot=SLOT, mac=mac(gateway_mac(t)), vni=t.gateway_vni)
    ts.pa[0] = ip(SLOT_PA)
    api.set("tenant_slot", ts)
    api.set("local_addr", vrf=v, addr=ip(gateway_address(t)), vni=t.gateway_vni, slot=SLOT)
    api.set_many("host", [host(t, vm, pas[t.vm_hosts[vm]]) for vm in t.vm_hosts])
    api.set("conn", gre_conn(t))
    api.set("conn", l3_conn(t))
    gre, l3 = conn_ids(t)
    api.set_many("route", [
        route(v, t.subnet, "SUBNET", t.vni, source="CONNECTED", preference=0),
        route(v, t.gateway_subnet, "SUBNET", t.gateway_vni, source="CONNECTED", preference=0),
        route(v, t.gre_lan, "CONN", gre),
        route(v, t.vlan_lan, "CONN", l3, t.vlan_router),
    ])


def configure_hosts(scene):
    """What the controller's host routes would say: sites' prefixes through the gateway."""
    for t in scene.tenants:
        for h in scene.hosts.values():
            router = h.router(t.name)
            router.gateway_subnet(t.gateway_vni)
            for destination in (t.gre_lan, t.vlan_lan, t.gateway_subnet):
                router.route(destination, t.gateway_vni, gateway_address(t), gateway_mac(t), SLOT_PA)


def configure(scene, gateway):
    for t in scene.tenants:
        scene.connect_machines(t, t.vni)
    with gateway.api() as api:
        configure_provider(api)
        for t in scene.tenants:
            configure_tenant(api, t, {n: h.pa for n, h in scene.hosts.items()})
    configure_hosts(scene)
    for t in scene.tenants:
        if t.gre_site:
            t.gre_site.tunnel(SLOT_GRE_VIP, t.gre_key)
