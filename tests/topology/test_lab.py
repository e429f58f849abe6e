# SPDX-License-Identifier: Apache-2.0
"""The lab itself: its parts work with each other before a gateway stands between them.

   vm1 - h1 ==vxlan== h2 - vm2          site-a ==gre== site-b          vlan site -- trunk
"""

import os

from fabric import Fabric
from traffic import flows, ping


def test_virtual_machines_reach_each_other_over_the_hosts_vxlan():
    with Fabric() as lab:
        h1, h2 = lab.host("h1", "10.64.0.11"), lab.host("h2", "10.64.0.12")
        routers = [h.router("contoso") for h in (h1, h2)]
        for r in routers:
            r.subnet(5001, ["10.0.0.1/24"])
        vm1 = routers[0].vm("vm1", 5001, "02:aa:00:00:00:01", ["10.0.0.4/24"], ["10.0.0.1"])
        vm2 = routers[1].vm("vm2", 5001, "02:aa:00:00:00:02", ["10.0.0.5/24"], ["10.0.0.1"])
        routers[0].remote_vm(5001, "10.0.0.5", vm2.mac, h2.pa)
        routers[1].remote_vm(5001, "10.0.0.4", vm1.mac, h1.pa)
        assert ping(vm1.ns, "10.0.0.5", 3) == 3
        with flows((vm1.ns, "10.0.0.4", vm2.ns, "10.0.0.5"), (vm2.ns, "10.0.0.5", vm1.ns, "10.0.0.4")) as accounts:
            assert ping(vm2.ns, "10.0.0.4", 20) == 20
        for account in accounts:
            assert account["received"] > 0 and account["lost"] == 0 and account["duplicates"] == 0, account


def test_gre_sites_reach_each_other_with_equal_keys_only():
    with Fabric() as lab:
        a = lab.gre_site("site-a", "198.51.100.10", ["10.1.0.10/24"])
        b = lab.gre_site("site-b", "198.51.100.11", ["10.2.0.10/24"])
        a.tunnel(b.address, 4660)
        b.tunnel(a.address, 4660)
        assert ping(a.lan_ns, "10.2.0.10", 3) >= 2  # the first may go while Open vSwitch resolves
        b.tunnel(a.address, 4661)
        assert ping(a.lan_ns, "10.2.0.10", 2, wait_s=0.3) == 0


def test_vlan_sites_see_only_their_own_vlan():
    with Fabric() as lab:
        gateway = lab.gateway_namespace()
        trunk = lab.trunk(gateway)
        one = trunk.site("vlan-a", 1001, "10.127.134.1/29", ["10.3.0.10/32"])
        two = trunk.site("vlan-b", 1001, "10.127.134.2/29", ["10.3.0.11/32"])
        three = trunk.site("vlan-c", 1002, "10.127.134.2/29", ["10.3.0.11/32"])
        assert ping(one.ns, "10.127.134.2", 2) == 2
        assert ping(three.ns, "10.127.134.1", 1, wait_s=0.3) == 0
        assert two.address == three.address


def test_nothing_is_left_when_a_lab_is_closed():
    with Fabric() as lab:
        lab.gre_site("site-a", "198.51.100.10", ["10.1.0.10/24"])
        prefix, directory = lab.net.prefix, lab.net.dir
        pids = [p.pid for p in lab.net.processes]
        assert any(n.startswith(prefix) for n in os.listdir("/run/netns")) and pids
    assert not any(n.startswith(prefix + "-") for n in os.listdir("/run/netns"))
    assert not directory.exists()
    for pid in pids:
        assert not os.path.exists("/proc/%d" % pid)
