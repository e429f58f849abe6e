# SPDX-License-Identifier: Apache-2.0
# runs alone
"""Several workers behind the same ports: order within a flow, what is handed over, counters summed;
and ten thousand connections coming and going beside traffic. The story is scene.py's."""

import contextlib
import random

import pytest
from scapy.all import GRE, IP, UDP, Ether, Raw, fragment

import direct
from gateway import Gateway
from injections import cable_end, port_mac
from localapi import ip, structs
from net import wait_for
from scene import Scene
from traffic import flows, inject

MANY = 10000


class Lab:
    def __init__(self, scene, workers):
        self.scene, self.tenants, self.workers = scene, scene.tenants, workers
        self.gateway = Gateway(scene.net, scene.gateway_ns)
        self.gateway.start_forwarder(workers=workers)

    def stats(self):
        with self.gateway.api() as api:
            return {c.conn: c for c in api.dump("conn_stats")}

    def received(self):
        """Packets from ports, by worker."""
        with self.gateway.api() as api:
            return {n.worker: n.packets for n in api.dump("node_stats") if n.name == b"rx"}


@pytest.fixture(scope="module", params=[2, 4], ids=["2 workers", "4 workers"])
def lab(request):
    with Scene() as scene:
        it = Lab(scene, request.param)
        direct.configure(scene, it.gateway)
        assert scene.unreachable(5) == []
        yield it
        assert it.gateway.forwarder.restarts == 0, it.gateway.forwarder.output()


def all_in_order(accounts):
    for account in accounts:
        assert account["received"] > 100, account
        assert (account["lost"], account["duplicates"], account["reordered"]) == (0, 0, 0), account


def test_packets_of_a_flow_stay_in_order_and_counters_are_sums(lab):
    pairs = [p for t in lab.tenants for p in t.pairs()]
    before, share = lab.stats(), lab.received()
    with flows(*pairs, rate=200) as accounts:
        wait_for(lambda: sum(lab.received().values()) > sum(share.values()) + 10000, 60, "traffic")
    all_in_order(accounts)
    after, now = lab.stats(), lab.received()
    for worker, packets in now.items():
        assert packets > share[worker] + 100, (worker, now, share)
    sent = {conn: [0, 0] for t in lab.tenants for conn in direct.conn_ids(t)}
    for (from_ns, _, _, to_addr), account in zip(pairs, accounts):
        for t in lab.tenants:
            gre, l3 = direct.conn_ids(t)
            if from_ns in (t.vms["vm1"].ns, t.vms["vm2"].ns):
                sent[gre if to_addr == t.gre_machine else l3][1] += account["received"]
            elif from_ns == t.gre_site.lan_ns:
                sent[gre][0] += account["received"]
            elif from_ns == t.vlan_site.lan_ns:
                sent[l3][0] += account["received"]
    for conn, (came, went) in sent.items():  # besides the flows only a few packets of the machines' own
        assert came <= after[conn].in_packets - before[conn].in_packets <= came + 20, conn
        assert went <= after[conn].out_packets - before[conn].out_packets <= went + 20, conn


def test_fragments_are_put_together_by_their_owner_whoever_receives_them(lab):
    """Each packet's fragments are handed to one worker; of every packet exactly one goes on."""
    t, count = lab.tenants[0], 200
    whole = IP(src=t.gre_machine, dst="10.0.0.4") / UDP(sport=7, dport=7) / Raw(bytes(900))
    frames, order, head = [], random.Random(lab.workers), Ether(dst=port_mac(lab, "up0"), src="02:99:00:00:00:01")
    for i in range(count):
        outer = IP(src=t.site_address, dst=direct.SLOT_GRE_VIP, id=1000 + i) / GRE(key_present=1, key=t.gre_key) / whole
        frames.append([head / part for part in fragment(outer, 400)])
        order.shuffle(frames[-1])
    gre = direct.conn_ids(t)[0]
    before, drops = lab.stats()[gre].in_packets, lab.gateway.counters()
    for parts in frames:
        inject(*cable_end(lab.scene, "up0"), parts)
    wait_for(lambda: lab.stats()[gre].in_packets >= before + count, 10, "all put together")
    assert lab.stats()[gre].in_packets == before + count
    after = lab.gateway.counters()
    for reason in ("handoff_full", "reassembly_full", "reassembly_bad", "underlay_fragment"):
        assert after["drop." + reason] == drops["drop." + reason], reason
    with lab.gateway.api() as api:  # every worker had some
        assert all(n.packets > 0 for n in api.dump("node_stats") if n.name == b"reassembly")


def bulk(vrf, **fields):
    for i in range(MANY):
        yield structs["api_conn"](conn=100000 + i, vrf=vrf, slot=direct.SLOT, type=direct.C["API_CONN_GRE"],
                                  flags=direct.C["API_CONN_F_ENABLED"] | direct.C["API_CONN_F_GRE_KEY"], gre_key=100000 + i,
                                  local=ip(direct.SLOT_GRE_VIP), remote=ip("203.0.113.%d" % (1 + i % 250)), name=b"bulk", **fields)


def bulk_routes(vrf):
    for i in range(MANY):
        yield direct.route(vrf, "172.%d.%d.%d/32" % (16 + i // 65536, i // 256 % 256, i % 256), "CONN", 100000 + i)


def test_ten_thousand_connections_come_change_and_go_beside_traffic(lab):
    """With a route each: not a packet of the others is lost, doubled or reordered."""
    pairs = [p for t in lab.tenants for p in t.pairs()[:4]]
    with flows(*pairs, rate=300) as accounts, contextlib.closing(lab.gateway.api()) as api:
        api.set_many("conn", bulk(1))
        api.set_many("route", bulk_routes(1))
        assert len(api.dump("conn_stats")) == MANY + 4
        api.set_many("conn", bulk(1, out_kbps=5000, in_kbps=5000, mtu=1300, weight=3))
        api.delete_many("route", bulk_routes(1))
        api.delete_many("conn", bulk(1))
        assert len(api.dump("conn_stats")) == 4
    all_in_order(accounts)
    assert lab.scene.unreachable(5) == []
