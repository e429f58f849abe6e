# SPDX-License-Identifier: Apache-2.0
"""Ten thousand connections come, change and go while a worker forwards as fast as it can for a
hundred others: frames from memory on a port without I/O, so that a lost one can only be ours."""

import subprocess

import pytest

import direct
from conftest import is_sanitized
from localapi import LocalApi, ip, prefix, structs
from net import BUILD, Net, program, wait_for

WORLD = (100, 100, 10)  # tenants, connections, routes of each
MANY, VRF, GRE_VIP = 10000, 60000, "10.99.0.3"
C = direct.C


class Lab:
    def __init__(self, net):
        frames, self.socket = net.dir / "frames", net.dir / "forwarder.sock"
        subprocess.run([str(BUILD / "bench" / "bench-frames"), "vxlan_gre", "64", *map(str, WORLD), "4096", str(frames)], check=True,
                       stdout=subprocess.DEVNULL)
        self.process = net.spawn("forwarder", [program("isthmus-forwarder"), "--socket", self.socket, "--no-huge",
                                               "--buffers", "16384", "--port", "u=replay:%s" % frames])
        wait_for(self.answers, 30, "the forwarder answers")
        subprocess.run([str(BUILD / "bench" / "bench-configure"), str(self.socket), "gre", *map(str, WORLD)], check=True,
                       stdout=subprocess.DEVNULL)
        self.api = LocalApi(self.socket)
        self.api.set("vrf", vrf=VRF, name=b"many")

    def answers(self):
        try:
            LocalApi(self.socket).close()
            return True
        except OSError:
            return False

    def account(self):
        """(packets in, packets out, wrong ones, drops by reason, ARP messages that were answered aside)"""
        port, = self.api.dump("port")
        drops = {name: value for name, value in self.api.counters().items()
                 if name.startswith("drop.") and name != "drop.arp_done"}
        return port.rx_packets, port.tx_packets, port.tx_dropped, drops

    def forwards_everything(self):
        before = self.account()
        wait_for(lambda: self.account()[1] > before[1] + 20000, 30, "packets")
        return self.account()[3] == before[3]


@pytest.fixture(scope="module")
def lab():
    with Net() as net:
        it = Lab(net)
        yield it
        it.api.close()
        assert it.process.alive(), it.process.output()


def connections(**fields):
    return [structs["api_conn"](conn=100000 + i, vrf=VRF, slot=1, type=C["API_CONN_GRE"],
                                flags=C["API_CONN_F_ENABLED"] | C["API_CONN_F_GRE_KEY"], gre_key=100000 + i, local=ip(GRE_VIP),
                                remote=ip("203.0.113.%d" % (1 + i % 250)), name=b"many", **fields) for i in range(MANY)]


def routes():
    for i in range(MANY):
        r = structs["api_route"](vrf=VRF, prefix=prefix("172.16.%d.%d/32" % (i // 256, i % 256)), source=C["API_ROUTE_STATIC"],
                                 preference=1, path_count=1)
        r.path[0].type, r.path[0].id = C["API_PATH_CONN"], 100000 + i
        yield r


def test_not_a_packet_of_the_others_is_lost_while_ten_thousand_connections_come_change_and_go(lab):
    wait_for(lab.forwards_everything, 60, "next hops are known and nothing is dropped any more")
    before = lab.account()
    lab.api.set_many("conn", connections())
    lab.api.set_many("route", routes())
    assert len(lab.api.dump("conn_stats")) == MANY + WORLD[1]
    lab.api.set_many("conn", connections(in_kbps=5000, out_kbps=5000, mtu=1300, weight=3))
    lab.api.delete_many("route", routes())
    lab.api.delete_many("conn", connections())
    assert len(lab.api.dump("conn_stats")) == WORLD[1]
    after = lab.account()
    assert {k: v - before[3][k] for k, v in after[3].items() if v != before[3][k]} == {}
    assert after[2] == before[2]  # none was wrong
    assert after[1] - before[1] > (10000 if is_sanitized() else 200000), (before, after)
    under_way = (after[0] - after[1]) - (before[0] - before[1])
    assert abs(under_way) <= (after[1] - before[1]) // 100, (before, after)
