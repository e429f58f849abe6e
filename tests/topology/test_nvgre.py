# SPDX-License-Identifier: Apache-2.0
"""NVGRE to a host that is not ours: an Open vSwitch bridges a machine into GRE with the VSID in the
upper 24 bits of the key, as RFC 7637 has it; behind a connection by VLAN is a router of the kernel's.

   vm 10.0.0.4 -- [br-int] host (OVS) 10.64.0.11 === NVGRE === 10.64.0.100 gw -- VLAN 100 -- site 10.2.0.10
"""

import pytest

import direct
from gateway import Gateway
from localapi import constants as C, ip, mac, prefix, structs
from net import Net, wait_for
from ovs import Ovs
from site_ends import VlanTrunk
from traffic import capture, ping, tshark

VSID, VRF, SLOT = 5001, 1, 1
PA, HOST, OWN = "10.64.0.100", "10.64.0.11", "10.64.0.21"
VM, VM_MAC, GATEWAY, GATEWAY_MAC = "10.0.0.4", "02:a1:00:00:00:04", "10.0.0.1", "02:70:00:00:00:01"


class Lab:
    def __init__(self, net):
        self.net = net
        self.gw_ns, self.host, self.vm = net.namespace("gw"), net.namespace("host"), net.namespace("vm")
        net.link(self.gw_ns, "up0", self.host, "ul0", offload=False)
        self.gw_ns.sysctl("net/ipv6/conf/up0/disable_ipv6", 1)
        self.trunk = VlanTrunk(net, "trunk", self.plug_trunk)
        self.site = self.trunk.site("site", 100, "10.127.134.2/29", ["10.2.0.10/32"])
        self.site.route("10.127.134.1", "10.0.0.0/16")
        self.gateway = Gateway(net, self.gw_ns)
        self.gateway.start_forwarder()
        self.configure()
        self.ovs = Ovs(net, self.host)
        self.ovs.bridge("br-phy", ("ul0",), mac="02:50:00:00:00:01")
        self.host.ip("addr add %s/24 dev br-phy" % HOST, "link set br-phy up")
        self.ovs.bridge("br-int", ("vm0", "type=internal", "ofport_request=1"), (
            "nv0", "type=gre", "options:remote_ip=" + PA, "options:local_ip=" + HOST, "options:key=flow", "ofport_request=10"))
        self.ovs.flows("br-int", "in_port=1,actions=set_field:0x%x->tun_id,output:10" % (VSID << 8),
                       "in_port=10,tun_id=0x%x/0xffffff00,actions=output:1" % (VSID << 8))
        self.host.ip("link set vm0 netns " + self.vm.full)
        self.vm.ip("link set vm0 address %s mtu 1400 up" % VM_MAC, "addr add %s/24 dev vm0" % VM,
                   "route add default via %s dev vm0" % GATEWAY)

    def plug_trunk(self, ns, dev):
        self.net.link(self.gw_ns, "trunk0", ns, dev, offload=False)
        self.gw_ns.sysctl("net/ipv6/conf/trunk0/disable_ipv6", 1)

    def configure(self):
        with self.gateway.api() as api:
            direct.configure_vrf(api, VRF, SLOT, OWN, pa=PA)
            s = structs["api_subnet"](vni=VSID, vrf=VRF, encap=C["API_ENCAP_NVGRE"], prefix_count=1)
            s.prefix[0] = prefix("10.0.0.0/24")
            api.set("subnet", s)
            ts = structs["api_tenant_slot"](vrf=VRF, slot=SLOT, mac=mac(GATEWAY_MAC), vni=VSID)
            ts.pa[0] = ip(PA)
            api.set("tenant_slot", ts)
            api.set("local_addr", vrf=VRF, addr=ip(GATEWAY), vni=VSID, slot=SLOT, is_gateway=1)
            h = structs["api_host"](vrf=VRF, addr=ip(VM), vni=VSID, mac=mac(VM_MAC))
            h.pa[0] = ip(HOST)
            api.set("host", h)
            api.set("conn", direct.vlan_conn(VRF, SLOT, 1, "10.127.134.1/29", b"l3", vlan=100, peer="10.127.134.2"))
            api.set("route", direct.route(VRF, "10.0.0.0/24", "SUBNET", VSID, source="CONNECTED", preference=0))
            api.set("route", direct.route(VRF, "10.2.0.0/24", "CONN", 1, "10.127.134.2"))


@pytest.fixture(scope="module")
def lab():
    with Net() as net:
        it = Lab(net)
        yield it
        assert it.gateway.forwarder.restarts == 0, it.gateway.forwarder.output()


def test_a_machine_on_an_nvgre_host_reaches_its_site_and_back(lab):
    """Its ARP for the gateway is answered through the tunnel, too."""
    wait_for(lambda: ping(lab.vm, "10.2.0.10", 1), 20, "the first answer")
    assert ping(lab.vm, "10.2.0.10", 20) == 20
    assert ping(lab.site.ns, VM, 20) == 20
    assert ping(lab.vm, GATEWAY, 5) == 5
    assert ping(lab.vm, "10.2.0.10", 5, size=1300) == 5


def test_what_leaves_for_the_host_is_nvgre_with_a_flow_id(lab):
    path = lab.net.dir / "nvgre.pcap"
    with capture(lab.host, "ul0", path, "src host " + PA):
        for port in range(20):
            ping(lab.site.ns, VM, 1, size=100 + port)
    rows = tshark(path, "gre.proto", "gre.key", "eth.dst", "ip.dst", display="gre")
    assert len(rows) >= 20
    for proto, key, macs, addresses in rows:
        assert int(proto, 0) == 0x6558 and int(key, 0) >> 8 == VSID, (proto, key)
        assert macs.split(",")[1] == VM_MAC and addresses.split(",") == [HOST, VM], (macs, addresses)


def test_dscp_and_congestion_marks_come_through(lab):
    path = lab.net.dir / "tos.pcap"
    with capture(lab.host, "ul0", path, "src host " + PA):
        lab.site.ns.run(["ping", "-c", "3", "-i", "0.05", "-Q", "0xb9", VM])
    rows = tshark(path, "ip.dsfield", display="gre && icmp.type == 8")
    assert len(rows) == 3 and all(row == ["0xb9,0xb9"] for row in rows), rows
