# SPDX-License-Identifier: Apache-2.0
"""IPv4 and IPv6 over each other, packets of every size: the kernel's VXLAN on one side, Open
vSwitch's GRE on the other, neither of them ours.

   vm4, vm6 --- host (kernel VXLAN over IPv4, over IPv6) --- fabric --- gw up0
   lan4 --- site4 (OVS, GRE over IPv4), lan6 --- site6 (OVS, GRE over IPv6) ---'

Tenant 4 has all over IPv4, tenant 6 over IPv6; machines have both versions in each.
"""

import pytest

import direct
from gateway import Gateway
from localapi import constants as C, ip, mac, prefix, structs
from net import Net, wait_for
from site_ends import GreSite
from sizes import Sizes
from traffic import ping

PA = {4: "10.64.0.100", 6: "2001:db8:64::100"}
HOST = {4: "10.64.0.11", 6: "2001:db8:64::11"}
SITE = {4: "10.64.0.54", 6: "2001:db8:64::56"}
OWN = {4: "10.64.0.21", 6: "2001:db8:64::21"}
VM, GATEWAY, MACHINE = {4: "10.0.0.4", 6: "fd00:a::4"}, {4: "10.0.0.1", 6: "fd00:a::1"}, {4: "10.1.0.10", 6: "fd00:b::10"}
SUBNET, LAN = {4: "10.0.0.0/24", 6: "fd00:a::/64"}, {4: "10.1.0.0/24", 6: "fd00:b::/64"}
VM_MAC, GATEWAY_MAC = "02:a1:00:00:00:04", "02:70:00:00:00:01"
GRE_OVERHEAD = {4: 28, 6: 48}
LEAST = {4: 28, 6: 48}
SLOT = 1


def vni(outer):
    return 5000 + outer


def key(outer):
    return 7000 + outer


class Lab:
    def __init__(self, net, mtu):
        self.net, self.mtu = net, mtu
        self.switch = net.namespace("fabric")
        net.bridge(self.switch, "underlay", mtu=mtu)
        self.gw_ns, self.host = net.namespace("gw"), net.namespace("host")
        net.plug(self.switch, "underlay", self.gw_ns, "up0", mtu=mtu)
        self.gw_ns.sysctl("net/ipv6/conf/up0/disable_ipv6", 1)
        net.plug(self.switch, "underlay", self.host, "ul0", mtu=mtu)
        self.host.ip("addr add %s/24 dev ul0" % HOST[4], "addr add %s/64 dev ul0" % HOST[6])
        self.gateway = Gateway(net, self.gw_ns, ports=("up0",))
        self.gateway.start_forwarder()
        self.configure()
        self.vms = {outer: self.vm(outer) for outer in (4, 6)}
        self.sites = {outer: self.site(outer) for outer in (4, 6)}

    def inner_mtu(self):
        """Of machines: what the hosts' VXLAN carries whole over IPv6."""
        return self.mtu - 70

    def configure(self):
        with self.gateway.api() as api:
            for version, length in ((4, 24), (6, 64)):
                api.set("underlay_addr", port=0, addr=ip(OWN[version]), prefix_len=length)
            s = structs["api_slot"](slot=SLOT, active=1, port=0, epoch=1, iv_epoch=1)
            for i, version in enumerate((4, 6)):
                s.pa[i] = s.gre_vip[i] = ip(PA[version])
            api.set("slot", s)
            for outer in (4, 6):
                self.configure_tenant(api, outer)

    def configure_tenant(self, api, outer):
        api.set("vrf", vrf=outer, name=b"tenant%d" % outer)
        s = structs["api_subnet"](vni=vni(outer), vrf=outer, encap=C["API_ENCAP_VXLAN"], prefix_count=2)
        s.prefix[0], s.prefix[1] = prefix(SUBNET[4]), prefix(SUBNET[6])
        api.set("subnet", s)
        ts = structs["api_tenant_slot"](vrf=outer, slot=SLOT, mac=mac(GATEWAY_MAC), vni=vni(outer))
        ts.pa[0], ts.pa[1] = ip(PA[4]), ip(PA[6])
        api.set("tenant_slot", ts)
        api.set("conn", structs["api_conn"](conn=outer, vrf=outer, slot=SLOT, type=C["API_CONN_GRE"],
                                            flags=C["API_CONN_F_ENABLED"] | C["API_CONN_F_GRE_KEY"], gre_key=key(outer),
                                            local=ip(PA[outer]), remote=ip(SITE[outer]), name=b"gre"))
        for inner in (4, 6):
            api.set("local_addr", vrf=outer, addr=ip(GATEWAY[inner]), vni=vni(outer), slot=SLOT, is_gateway=1)
            h = structs["api_host"](vrf=outer, addr=ip(VM[inner]), vni=vni(outer), mac=mac(VM_MAC))
            h.pa[0] = ip(HOST[outer])
            api.set("host", h)
            api.set("route", direct.route(outer, SUBNET[inner], "SUBNET", vni(outer), source="CONNECTED", preference=0))
            api.set("route", direct.route(outer, LAN[inner], "CONN", outer))

    def vm(self, outer):
        """A machine right on the kernel's VXLAN device."""
        ns = self.net.namespace("vm%d" % outer)
        more = "" if outer == 4 else " udp6zerocsumrx"
        self.host.ip("link add vx%d type vxlan id %d local %s dstport 4789 nolearning%s" % (outer, vni(outer), HOST[outer], more),
                     "link set vx%d netns %s" % (outer, ns.full))
        dev = "vx%d" % outer
        ns.ip("link set %s address %s mtu %d up" % (dev, VM_MAC, self.inner_mtu()))
        ns.run(["bridge", "fdb", "append", GATEWAY_MAC, "dev", dev, "dst", PA[outer]])
        for inner, length in ((4, 24), (6, 64)):
            ns.ip("addr add %s/%d dev %s" % (VM[inner], length, dev),
                  "neigh replace %s lladdr %s dev %s nud permanent" % (GATEWAY[inner], GATEWAY_MAC, dev),
                  "route replace default via %s dev %s" % (GATEWAY[inner], dev))
        return ns

    def site(self, outer):
        site = GreSite(self.net, "site%d" % outer, SITE[4].replace("54", "5%d" % outer) + "/24", "10.64.0.1",
                       [MACHINE[4] + "/24", MACHINE[6] + "/64"],
                       lambda ns, dev: self.net.plug(self.switch, "underlay", ns, dev, offload=False, mtu=self.mtu),
                       lan_mtu=self.mtu - GRE_OVERHEAD[6])
        site.ns.sysctl("net/ipv6/conf/br-phy/disable_ipv6", 0)
        site.ns.ip("link set br-phy mtu %d" % self.mtu, "addr add 2001:db8:64::5%d/64 dev br-phy" % outer)
        site.ovs.vsctl("set", "interface", "br-phy", "mtu_request=%d" % self.mtu)
        site.address = SITE[outer]
        site.tunnel(PA[outer], key(outer), mtu=self.mtu - GRE_OVERHEAD[6])
        return site


def make(mtu):
    with Net() as net:
        it = Lab(net, mtu)
        yield it
        assert it.gateway.forwarder.restarts == 0, it.gateway.forwarder.output()


@pytest.fixture(scope="module")
def lab():
    yield from make(1500)


@pytest.fixture(scope="module")
def jumbo():
    yield from make(9000)


ALL = [(outer, inner) for outer in (4, 6) for inner in (4, 6)]


@pytest.mark.parametrize("outer,inner", ALL)
def test_ovs_and_the_kernel_meet_over_and_with_both_versions(lab, outer, inner):
    wait_for(lambda: ping(lab.vms[outer], MACHINE[inner], 1), 20, "the first answer")
    assert ping(lab.vms[outer], MACHINE[inner], 20) == 20
    assert ping(lab.sites[outer].lan_ns, VM[inner], 20) == 20


def every_size(lab, outer, inner, sizes, dont_fragment):
    vm, machine = lab.vms[outer], MACHINE[inner]
    wait_for(lambda: ping(vm, machine, 1), 20, "the first answer")
    return Sizes(vm, machine, dont_fragment).ask_all(sizes)


def expected(mtu, sizes):
    said = {"answered": [s for s in sizes if s <= mtu], mtu: [s for s in sizes if s > mtu]}
    return {what: which for what, which in said.items() if which}


def narrow(lab, outer, mtu):
    """The connection takes no larger packets: its sites' path is narrower than the hosts'."""
    with lab.gateway.api() as api:
        conn = next(c for c in api.dump("conn") if c.conn == outer)
        conn.mtu = mtu
        api.set("conn", conn)


@pytest.mark.parametrize("outer,inner", ALL)
def test_packets_of_every_size_pass_or_are_refused_with_the_mtu(lab, outer, inner):
    """With DF set, or IPv6: from the smallest to what the machine may send, the connection's MTU in between."""
    sizes = list(range(LEAST[inner], lab.inner_mtu() + 1))
    narrow(lab, outer, 1400)
    assert every_size(lab, outer, inner, sizes, True) == expected(1400, sizes)


@pytest.mark.parametrize("outer", [4, 6])
def test_packets_of_every_size_pass_in_fragments_where_they_may(lab, outer):
    """IPv4 without DF: those larger than the connection takes go in fragments, whole at the other end."""
    sizes = list(range(LEAST[4], lab.inner_mtu() + 1))
    narrow(lab, outer, 1000)
    assert every_size(lab, outer, 4, sizes, False) == {"answered": sizes}


@pytest.mark.parametrize("outer,inner", ALL)
def test_jumbo_packets_pass_or_are_refused_with_the_mtu(jumbo, outer, inner):
    most = jumbo.inner_mtu()
    sizes = sorted({*range(LEAST[inner], most, 37), *range(1400, 1600), *range(1990, 2110),
                    *range(8480, 8520), *range(most - 20, most + 1)})
    narrow(jumbo, outer, 8500)
    assert every_size(jumbo, outer, inner, sizes, True) == expected(8500, sizes)
