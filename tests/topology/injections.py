# SPDX-License-Identifier: Apache-2.0
"""Packets that try to get from one tenant to another, or in from nowhere: one for every way in.

`lab` here is anything with .scene, .gateway (a Gateway) and .facts(tenant): how this tenant is
reached, however the gateway was told."""

from scapy.all import GRE, IP, UDP, VXLAN, Dot1Q, Ether, Raw

from localapi import mac_text


class Facts:
    """What the outside must know of a tenant's gateway."""

    def __init__(self, gateway_mac, gateway_vni, slot_pa, gre_vip):
        self.gateway_mac, self.gateway_vni, self.slot_pa, self.gre_vip = gateway_mac, gateway_vni, slot_pa, gre_vip


def port_mac(lab, port):
    with lab.gateway.api() as api:
        return mac_text(next(p.mac for p in api.dump("port") if p.name.decode() == port))


def cable_end(scene, port):
    """The far end of the gateway's cable: frames put there arrive at the port."""
    return (scene.fabric.switch, "gw.up0") if port == "up0" else (scene.trunk.ns, "trunk")


def outer(lab, source, destination):
    return Ether(dst=port_mac(lab, "up0"), src="02:99:00:00:00:01") / IP(src=source, dst=destination)


def inner(destination="10.1.0.10", source="10.0.0.4"):
    return IP(src=source, dst=destination) / UDP(sport=7, dport=7) / Raw(b"x" * 30)


def vxlan(lab, vni, tenant, source="10.64.0.11", **fields):
    facts = lab.facts(tenant)
    return outer(lab, source, facts.slot_pa) / UDP(sport=50000, dport=4789, chksum=0) / VXLAN(vni=vni, flags="Instance") / Ether(
        dst=facts.gateway_mac, src="02:60:00:00:00:fe") / inner(**fields)


def gre(lab, source, key):
    header = GRE(proto=0x800) if key is None else GRE(key_present=1, key=key, proto=0x800)
    return outer(lab, source, lab.facts(lab.scene.tenants[0]).gre_vip) / header / inner("10.0.0.4", "10.1.0.10")


def vlan(lab, number):
    tag = Dot1Q(vlan=number) if number else None
    head = Ether(dst=port_mac(lab, "trunk0"), src="02:99:00:00:00:02")
    return (head / tag if tag else head) / inner("10.0.0.4", "10.2.0.10")


class Case:
    """build(lab, contoso, fabrikam) makes the frame; `words` tell a newcomer what happened to it."""

    def __init__(self, port, reason, words, build):
        self.port, self.reason, self.words, self.build = port, reason, words, build

    def frame(self, lab):
        return bytes(self.build(lab, *lab.scene.tenants[:2]))


INJECTIONS = {
    "GRE_key_of_another_tenant": Case("up0", "gre_unknown_tunnel", "no connection has this sender and this key",
                                      lambda lab, a, b: gre(lab, a.site_address, b.gre_key)),
    "GRE_key_of_nobody": Case("up0", "gre_unknown_tunnel", "no connection has this key",
                              lambda lab, a, b: gre(lab, a.site_address, 999)),
    "GRE_from_a_forged_site": Case("up0", "gre_unknown_tunnel", "no connection has this sender",
                                   lambda lab, a, b: gre(lab, "198.51.100.77", a.gre_key)),
    "GRE_without_a_key": Case("up0", "gre_unknown_tunnel", "the connection has a key",
                              lambda lab, a, b: gre(lab, a.site_address, None)),
    "VXLAN_with_an_unknown_VNI": Case("up0", "vxlan_unknown_vni", "the VNI belongs to no tenant",
                                      lambda lab, a, b: vxlan(lab, 9999, a)),
    "VXLAN_with_another_tenants_VNI": Case("up0", "inner_not_gateway_mac", "that tenant's gateway has another MAC",
                                           lambda lab, a, b: vxlan(lab, lab.facts(b).gateway_vni, a)),
    "VXLAN_from_a_forged_host": Case("up0", "vxlan_unknown_vtep", "no host of this tenant has this address",
                                     lambda lab, a, b: vxlan(lab, lab.facts(a).gateway_vni, a, source="10.64.0.99")),
    "VLAN_of_nobody": Case("trunk0", "vlan_unknown", "no connection has this VLAN",
                           lambda lab, a, b: vlan(lab, 999)),
    "no_VLAN_on_the_trunk": Case("trunk0", "vlan_unknown", "nothing is untagged here",
                                 lambda lab, a, b: vlan(lab, None)),
    "an_address_not_held_here": Case("up0", "underlay_not_local", "the outer destination is somebody else",
                                     lambda lab, a, b: outer(lab, "10.64.0.11", "10.64.0.250") / UDP(sport=1, dport=4789)
                                     / Raw(b"x" * 40)),
}
