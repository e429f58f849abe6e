# SPDX-License-Identifier: Apache-2.0
"""The forwarder alone, told over its local API: the packet path of scene.py's two tenants."""

import random

import pytest

import direct
from gateway import Gateway, counted
from injections import INJECTIONS, Facts, cable_end, gre, vlan, vxlan
from net import wait_for
from scene import Scene
from traffic import flows, inject, ping, tcp


class Lab:
    def __init__(self, scene):
        self.scene, self.tenants = scene, scene.tenants
        self.gateway = Gateway(scene.net, scene.gateway_ns)

    @staticmethod
    def facts(t):
        return Facts(direct.gateway_mac(t), t.gateway_vni, direct.SLOT_PA, direct.SLOT_GRE_VIP)


@pytest.fixture(scope="module")
def lab():
    with Scene() as scene:
        it = Lab(scene)
        it.gateway.start_forwarder()
        direct.configure(scene, it.gateway)
        yield it
        assert it.gateway.forwarder.restarts == 0, it.gateway.forwarder.output()


def test_each_tenant_reaches_its_own_sites_over_gre_and_vlan_both_ways(lab):
    assert lab.scene.unreachable() == []
    pairs = [p for t in lab.tenants for p in t.pairs()]
    with flows(*pairs, rate=200) as accounts:
        for t in lab.tenants:
            assert ping(t.vms["vm1"].ns, t.gre_machine, 20) == 20
    for pair, account in zip(pairs, accounts):
        assert account["received"] > 50 and account["foreign"] == 0, (pair, account)
        assert (account["lost"], account["duplicates"], account["reordered"]) == (0, 0, 0), (pair, account)


def test_tcp_runs_from_machines_with_offloads_on(lab):
    t = lab.tenants[0]
    vm = t.vms["vm1"]
    assert tcp(vm.ns, t.gre_site.lan_ns, t.gre_machine)["bps"] > 1e6
    assert tcp(vm.ns, t.vlan_site.ns, t.vlan_machine, reverse=True)["bps"] > 1e6


def forwarded(lab):
    """Packets that any connection took or gave, by connection."""
    with lab.gateway.api() as api:
        return {c.conn: (c.in_packets, c.out_packets) for c in api.dump("conn_stats")}


def quiet(lab):
    """What was forwarded once nothing is under way any more, such as the last of a TCP stream."""
    last = []

    def unchanged():
        last.append(forwarded(lab))
        return last[-1] if last[-1] == last[-2:][0] and len(last) > 1 else None
    return wait_for(unchanged, 20, "no traffic for a moment", step=0.3)


@pytest.mark.parametrize("name", INJECTIONS)
def test_a_packet_of_no_tenant_or_another_is_dropped_and_counted(lab, name):
    case, count = INJECTIONS[name], 17
    counter, connections = "drop." + case.reason, quiet(lab)
    before = lab.gateway.counters().get(counter, 0)
    inject(*cable_end(lab.scene, case.port), case.frame(lab), count)
    wait_for(lambda: lab.gateway.counters().get(counter, 0) >= before + count, 5, "%d more of %s" % (count, counter))
    assert lab.gateway.counters()[counter] == before + count
    assert forwarded(lab) == connections


def test_a_tenants_prefix_is_unknown_to_the_other(lab):
    """Only fabrikam has 10.77.0.0/16; contoso's packet to it finds no route, fabrikam's does."""
    contoso, fabrikam = lab.tenants
    with lab.gateway.api() as api:
        api.set("route", direct.route(fabrikam.number, "10.77.0.0/16", "CONN", direct.conn_ids(fabrikam)[0]))
    out = {t.name: direct.conn_ids(t)[0] for t in lab.tenants}
    before = forwarded(lab)
    with counted(lab.gateway) as increase:
        for t in lab.tenants:
            inject(*cable_end(lab.scene, "up0"), vxlan(lab, t.gateway_vni, t, destination="10.77.0.1"), 5)
        wait_for(lambda: forwarded(lab)[out["fabrikam"]][1] == before[out["fabrikam"]][1] + 5, 5, "fabrikam's went out")
    assert increase["drop.no_route"] == 5
    assert forwarded(lab)[out["contoso"]] == before[out["contoso"]]


def test_random_bytes_on_every_port_are_counted_and_harm_nothing(lab, seed):
    """Noise, and good packets with a few bytes changed; afterwards both tenants' traffic passes."""
    rng = random.Random(seed)
    good = {port: [c.frame(lab) for c in INJECTIONS.values() if c.port == port] for port in ("up0", "trunk0")}
    good["up0"] += [bytes(vxlan(lab, t.gateway_vni, t)) for t in lab.tenants]
    good["up0"] += [bytes(gre(lab, t.site_address, t.gre_key)) for t in lab.tenants]
    good["trunk0"] += [bytes(vlan(lab, t.vlan)) for t in lab.tenants]
    pid, per_port = lab.gateway.forwarder.pid, 4000
    with counted(lab.gateway) as increase:
        for port, frames in good.items():
            ns, dev = cable_end(lab.scene, port)
            for _ in range(per_port // 50):
                inject(ns, dev, list(noise(rng, frames, 50)))
                lab.gateway.counters()  # lets it take a batch before the next, and shows it lives
    drops = sum(v for k, v in increase.items() if k.startswith("drop."))
    assert drops > per_port, increase
    assert lab.gateway.forwarder.pid == pid and lab.gateway.forwarder.restarts == 0
    assert lab.scene.unreachable(5) == []


def noise(rng, frames, count):
    for _ in range(count):
        if rng.random() < 0.3:
            yield rng.randbytes(rng.randrange(14, 1514))
            continue
        frame = bytearray(rng.choice(frames))
        for _ in range(rng.randrange(1, 6)):
            frame[rng.randrange(12, len(frame))] = rng.randrange(256)
        yield bytes(frame[:rng.randrange(14, len(frame) + 1)] if rng.random() < 0.3 else frame)


def test_a_machine_moves_host_without_a_lost_packet(lab):
    """vm1 of contoso from h1 to h2: attached at both while the gateway changes over."""
    t = lab.tenants[0]
    vm, (h1, h2) = t.vms["vm1"], (lab.scene.hosts[n] for n in ("h1", "h2"))
    pairs = [(*a, *b) for a, b in (((vm.ns, "10.0.0.4"), (t.gre_site.lan_ns, t.gre_machine)),
                                   ((t.gre_site.lan_ns, t.gre_machine), (vm.ns, "10.0.0.4")))]
    with flows(*pairs, rate=2000) as accounts:
        for to, back in ((h2, h1), (h1, h2)):
            vm.attach(to.router(t.name), t.vni)
            with lab.gateway.api() as api:
                api.set("host", direct.host(t, "vm1", to.pa))
            assert ping(vm.ns, t.gre_machine, 10) == 10
            vm.detach(back)
            assert ping(vm.ns, t.gre_machine, 10) == 10
    for account in accounts:
        assert account["received"] > 100 and account["lost"] == 0 and account["duplicates"] == 0, account
