# SPDX-License-Identifier: Apache-2.0
"""One TCP stream through a GRE tunnel, every link with an MTU of 1500, all on the same two cores.

    client --- lan0 a up0 === GRE, key 77 === up0 b lan0 --- server

a and b are two Isthmus gateways with AF_PACKET ports; or, for comparison, two Open vSwitch with their
user-space datapath and the same tunnel.
"""

import json
import os
import statistics

import localapi
from dataplane import note
from localapi import constants as C, ip, prefix, structs
from net import Net, wait_for
from ovs import Ovs

GRE_KEY, MTU, TUNNEL_MTU = 77, 1500, 1500 - 28
ENDS = {"a": ("192.0.2.1", "10.1.0", 0), "b": ("192.0.2.2", "10.2.0", 1)}  # outer address, network, core
ROUTER_MAC = "02:51:00:00:00:02"


def answers(socket):
    try:
        localapi.LocalApi(socket).close()
        return True
    except OSError:
        return False


class Path:
    """Client, server and the namespaces of the two tunnel ends, cabled."""

    def __init__(self, net, offload):
        self.net, self.count = net, 0
        self.client, self.server, self.a, self.b = (net.namespace(n) for n in ("client", "server", "a", "b"))
        net.link(self.a, "up0", self.b, "up0", mtu=MTU, offload=offload)
        net.link(self.a, "lan0", self.client, "eth0", mtu=MTU, offload=offload)
        net.link(self.b, "lan0", self.server, "eth0", mtu=MTU, offload=offload)
        for ns, network in ((self.client, "10.1.0"), (self.server, "10.2.0")):
            ns.ip("addr add %s.2/24 dev eth0" % network, "route add default via %s.1" % network)
        for ns in (self.a, self.b):
            for dev in ("up0", "lan0"):
                ns.sysctl("net/ipv6/conf/%s/disable_ipv6" % dev, 1)

    def gbps(self, seconds):
        self.count += 1
        server = self.net.spawn("iperf3-%d" % self.count, ["iperf3", "-s", "-1", "-B", "10.2.0.2", "--forceflush"], self.server)
        wait_for(lambda: "listening" in server.output(), 10, "iperf3 listens")
        argv = ["iperf3", "-c", "10.2.0.2", "-J", "-t", "%g" % seconds]
        report = json.loads(self.client.run(argv, timeout=seconds + 30).stdout)
        server.stop()
        if "error" in report:
            raise RuntimeError("iperf3: " + report["error"])
        return report["end"]["sum_received"]["bits_per_second"] / 1e9, report["end"]["sum_received"]["bytes"]

    def until_reachable(self):
        wait_for(lambda: self.client.run(["ping", "-c1", "-W1", "10.2.0.2"], check=False).returncode == 0, 20, "the other end")


def configure(socket, here, there):
    outer, network, _ = ENDS[here]
    with localapi.LocalApi(socket) as api:
        slot = structs["api_slot"](slot=1, active=1, port=0, epoch=1, iv_epoch=1)
        slot.gre_vip[0] = ip(outer)
        api.set("underlay_addr", port=0, addr=ip("192.0.2.%d" % (11 + ENDS[here][2])), prefix_len=24)
        api.set("slot", slot)
        api.set("vrf", vrf=1, name=b"tenant")
        lan = structs["api_conn"](conn=1, vrf=1, slot=1, type=C["API_CONN_L3"], flags=C["API_CONN_F_ENABLED"], l3_port=1,
                                  l3_addr_count=1, name=b"lan")
        lan.l3_addr[0].addr, lan.l3_addr[0].prefix_len = ip(network + ".1"), 24
        api.set("conn", lan)
        api.set("conn", structs["api_conn"](
            conn=2, vrf=1, slot=1, type=C["API_CONN_GRE"], flags=C["API_CONN_F_ENABLED"] | C["API_CONN_F_GRE_KEY"],
            gre_key=GRE_KEY, local=ip(outer), remote=ip(ENDS[there][0]), name=b"gre"))
        route = structs["api_route"](vrf=1, prefix=prefix(ENDS[there][1] + ".0/24"), source=C["API_ROUTE_STATIC"], preference=1,
                                     path_count=1)
        route.path[0].type, route.path[0].id = C["API_PATH_CONN"], 2
        api.set("route", route)


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cycles_per_second():
    with open("/proc/cpuinfo", encoding="ascii") as f:
        return next(float(line.split(":")[1]) for line in f if line.startswith("cpu MHz")) * 1e6


def isthmus(context):
    """Rates of the runs; says the forwarders' processor cycles a byte of the stream."""
    rates, cycles = [], []
    with Net() as net:
        path, gateways = Path(net, True), []
        for end in ("a", "b"):
            socket = net.dir / (end + ".sock")
            argv = [context.build / "forwarder" / "isthmus-forwarder", "--socket", socket, "--no-huge", "--buffers", "16384",
                    "--first-core", ENDS[end][2], "--port", "u=af_packet:up0", "--port", "l=af_packet:lan0"]
            gateways.append(net.spawn("forwarder-" + end, argv, getattr(path, end)))
            wait_for(lambda s=socket: answers(s), 20, "the forwarder answers")
            configure(socket, end, "ab".replace(end, ""))
        path.until_reachable()
        pids = [g.pid for g in gateways]
        for _ in range(context.runs):
            before = sum(map(cpu_seconds, pids))
            rate, size = path.gbps(context.seconds)
            rates.append(rate)
            cycles.append((sum(map(cpu_seconds, pids)) - before) * cycles_per_second() / size)
    note("isthmus: %s Gbit/s; both forwarders together %s cycles a byte" % (
        " ".join("%.2f" % r for r in rates), " ".join("%.2f" % c for c in cycles)))
    return statistics.median(rates), statistics.median(cycles)


def ovs_end(net, ns, here, there):
    ovs = Ovs(net, ns)
    ovs.bridge("br-phy", ("up0",), mac="02:50:00:00:00:0%d" % (1 + ENDS[here][2]))
    ns.ip("addr add %s/24 dev br-phy" % ENDS[here][0], "link set br-phy up mtu %d" % MTU)
    ovs.bridge("br-int", ("lan0", "ofport_request=1"), (
        "gre0", "type=gre", "options:remote_ip=" + ENDS[there][0], "options:local_ip=" + ENDS[here][0],
        "options:packet_type=legacy_l3", "options:key=%d" % GRE_KEY, "ofport_request=10"))
    return ovs


def ovs(context):
    rates = []
    with Net() as net:
        path = Path(net, False)
        for here, there, machine in (("a", "b", path.client), ("b", "a", path.server)):
            mac = machine.json("ip", "link", "show", "eth0")[0]["address"]
            ovs_end(net, getattr(path, here), here, there).flows(
                "br-int", "in_port=1,ip,actions=output:10",
                "in_port=10,ip,actions=mod_dl_dst:%s,mod_dl_src:%s,output:1" % (mac, ROUTER_MAC))
            machine.ip("neigh replace %s.1 lladdr %s dev eth0 nud permanent" % (ENDS[here][1], ROUTER_MAC),
                       "route replace default via %s.1 mtu %d" % (ENDS[here][1], TUNNEL_MTU))
        path.until_reachable()
        for _ in range(context.runs):
            rates.append(path.gbps(context.seconds)[0])
    note("Open vSwitch, user space: %s Gbit/s" % " ".join("%.2f" % r for r in rates))
    return statistics.median(rates)


def streams(context, wanted):
    results = {}
    if {"tcp_gre_gbps", "tcp_gre_cycles_per_byte"} & set(wanted):
        results["tcp_gre_gbps"], results["tcp_gre_cycles_per_byte"] = isthmus(context)
    if "peer_ovs_tcp_gre_gbps" in wanted:
        results["peer_ovs_tcp_gre_gbps"] = ovs(context)
        if "tcp_gre_gbps" in results:
            note("isthmus has %.1f times as much" % (results["tcp_gre_gbps"] / results["peer_ovs_tcp_gre_gbps"]))
    return {name: value for name, value in results.items() if name in wanted}
