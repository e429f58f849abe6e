# SPDX-License-Identifier: Apache-2.0
"""Two gateways joined by a tunnel, keys by hand, with a machine behind each:

   a  10.1.0.2 --- 10.1.0.1 gw-a 192.0.2.1 ====== 192.0.2.2 gw-b 10.2.0.1 --- 10.2.0.2  b
              lan0                    up0            up0              lan0

All links have an MTU of 1500. The tunnel is a connection of type IPSEC or GRE.
"""

import secrets

from localapi import LocalApi, constants as C, ip, prefix, structs
from net import program, wait_for

VRF, SLOT, TUNNEL, LAN, CHILD, KEY = 1, 1, 11, 12, 1, 77
SIDES = ("a", "b")
SPI = {"a": SLOT << 20 | 1, "b": SLOT << 20 | 2}  # of packets towards that side


def outer(side):
    return "192.0.2.%d" % (1 + SIDES.index(side))


def inside(side, last):
    return "10.%d.0.%d" % (1 + SIDES.index(side), last)


def other(side):
    return SIDES[1 - SIDES.index(side)]


class Pair:
    """pair.machines["a"] and ["b"] reach each other at pair.address("a"), pair.address("b")."""

    def __init__(self, net, kind="IPSEC", workers=1, esn=True, offload=True, more=()):
        self.net, self.kind, self.esn, self.workers = net, kind, esn, workers
        self.gateways = {s: net.namespace("gw-" + s) for s in SIDES}
        self.machines = {s: net.namespace("lan-" + s) for s in SIDES}
        self.sockets = {s: net.dir / ("forwarder-%s.sock" % s) for s in SIDES}
        self.processes = {}
        self.keys = {s: secrets.token_bytes(36) for s in SIDES}
        net.link(self.gateways["a"], "up0", self.gateways["b"], "up0", mtu=1500, offload=offload)
        for side in SIDES:
            net.link(self.gateways[side], "lan0", self.machines[side], "eth0", mtu=1500, offload=offload)
            self.machines[side].ip("addr add %s/24 dev eth0" % inside(side, 2), "route add default via %s" % inside(side, 1))
        for side in SIDES:
            self._start(side, more)
            with self.api(side) as api:
                self._configure(api, side)

    def _start(self, side, more):
        argv = [program("isthmus-forwarder"), "--socket", self.sockets[side], "--no-huge", "--buffers", "16384",
                "--workers", str(self.workers), "--first-core", str(SIDES.index(side)),
                "--port", "up0=af_packet:up0", "--port", "lan0=af_packet:lan0", *more]
        self.processes[side] = self.net.spawn("forwarder-" + side, argv, self.gateways[side])
        wait_for(lambda: self.answers(side), 30, "the forwarder of %s answers" % side)

    def answers(self, side):
        try:
            self.api(side).close()
            return True
        except OSError:
            return False

    def api(self, side):
        return LocalApi(self.sockets[side])

    @staticmethod
    def address(side):
        return inside(side, 2)

    def _configure(self, api, side):
        s = structs["api_slot"](slot=SLOT, active=1, port=0, epoch=1, iv_epoch=1)
        (s.vip if self.kind == "IPSEC" else s.gre_vip)[0] = ip(outer(side))
        api.set("underlay_addr", port=0, addr=ip("192.0.2.%d" % (101 + SIDES.index(side))), prefix_len=24)
        api.set("slot", s)
        api.set("vrf", vrf=VRF, name=b"tenant")
        lan = structs["api_conn"](conn=LAN, vrf=VRF, slot=SLOT, type=C["API_CONN_L3"], flags=C["API_CONN_F_ENABLED"], l3_port=1,
                                  l3_addr_count=1, name=b"lan")
        lan.l3_addr[0].addr, lan.l3_addr[0].prefix_len = ip(inside(side, 1)), 24
        api.set("conn", lan)
        flags = C["API_CONN_F_ENABLED"] | (C["API_CONN_F_GRE_KEY"] if self.kind == "GRE" else 0)
        api.set("conn", conn=TUNNEL, vrf=VRF, slot=SLOT, type=C["API_CONN_" + self.kind], flags=flags, local=ip(outer(side)),
                remote=ip(outer(other(side))), gre_key=KEY if self.kind == "GRE" else 0, name=b"tunnel")
        r = structs["api_route"](vrf=VRF, prefix=prefix(inside(other(side), 0) + "/24"), source=C["API_ROUTE_STATIC"], preference=1,
                                 path_count=1)
        r.path[0].type, r.path[0].id = C["API_PATH_CONN"], TUNNEL
        api.set("route", r)
        if self.kind == "IPSEC":
            for direction in ("IN", "OUT"):
                api.set("sa", self.sa(side, direction))
            api.set("sa_policy", conn=TUNNEL, child=CHILD, out_spi=SPI[other(side)])

    def sa(self, side, direction, **fields):
        towards = side if direction == "IN" else other(side)
        sa = structs["api_sa"](conn=TUNNEL, spi=SPI[towards], dir=C["API_SA_" + direction], child=CHILD, slot=SLOT,
                               flags=C["API_SA_F_ESN"] if self.esn else 0, mode=C["API_SA_TUNNEL"], cipher=20,
                               replay_window=1024, key_size=36, local=ip(outer(side)), remote=ip(outer(other(side))), **fields)
        sa.key[:36] = self.keys[towards]
        return sa

    def stats(self, side):
        """{"IN": sa_stats, "OUT": sa_stats}"""
        with self.api(side) as api:
            return {"IN" if s.dir == C["API_SA_IN"] else "OUT": s for s in api.dump("sa_stats")}
