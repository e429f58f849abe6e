#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The demo: tenants with the same addresses, one gateway, then a pool; told in words. See ./demo --help."""

import contextlib
import json
import pathlib
import signal
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lib")]

# pylint: disable=wrong-import-position
import wanted
from bgp_lab import PEER_VLAN, BgpLab
from controlled import ControlledLab
from gateway import counted
from injections import INJECTIONS, cable_end
from ipsec_lab import LAN, MACHINE, VIP, IpsecSite, ipsec_connection
from net import program, run, wait_for
from pool import PoolLab
from scene import Tenant, two_tenants
from traffic import Transfer, flows, inject, ping

PICTURE = """
  contoso   vm1 10.0.0.4 (host h1)                          GRE, key 1234 --- site-a  10.1.0.10
            vm2 10.0.0.5 (host h2) --- VXLAN ---.        ,- VLAN 1001 ------- vlan-a  10.2.0.10
                                              gateway --
  fabrikam  vm1 10.0.0.4 (host h1) --- VXLAN ---'        `- GRE, key 5678 --- site-b  10.1.0.10
            vm2 10.0.0.5 (host h2)                          VLAN 1002 ------- vlan-b  10.2.0.10
  adatum    the same machines                               IPsec ----------- its site  10.3.0.10
  northwind the same machines                               GRE, VLAN, BGP -- two sites, as contoso's

  All tenants use the same addresses, at home and at their sites. That is the point.
"""


class Story:
    """Says what happens and remembers whether it held."""

    def __init__(self):
        self.step, self.failures = 0, []

    def title(self, text):
        self.step += 1
        print("\n%d. %s" % (self.step, text), flush=True)

    def say(self, text):
        print("   " + text, flush=True)

    def check(self, text, held):
        print("   [%s] %s" % ("ok" if held else "FAILED", text), flush=True)
        if not held:
            self.failures.append(text)


class DemoLab(BgpLab):
    """contoso and fabrikam with static routes, adatum by IPsec, northwind by BGP."""

    def __init__(self):
        self.ipsec, self.bgp = Tenant(3, "adatum", None, None, "198.51.100.30"), Tenant(4, "northwind", 9012, 1004, "198.51.100.13")
        self.ipsec.has_gre = self.ipsec.has_vlan = False
        self.static = two_tenants()
        super().__init__(tenants=[*self.static, self.ipsec, self.bgp])
        self.ipsec_site = IpsecSite(self.scene, self.ipsec, self.ipsec.site_address, VIP)

    def wanted_tenant(self, t):
        if t is self.bgp:
            yield from super().wanted_tenant(t)
            return
        for path, properties in wanted.tenant(t):
            if t is self.ipsec and path.startswith("virtualGateways/"):
                properties["networkConnections"] = [
                    {"resourceId": "IPsecGW", "properties": ipsec_connection(self.ipsec_site)}]
            yield path, properties

    def _site_prefixes(self, t):
        return super()._site_prefixes(t) if t is self.bgp else {LAN} if t is self.ipsec else ControlledLab._site_prefixes(t)

    def start_gateway(self):
        ControlledLab.start_gateway(self, bgp=True, ike=True)

    def doctor(self, name):
        """`isthmus gw doctor` on the gateway, of the connection with this name."""
        with self.gateway.api() as api:
            conn = next(c.conn for c in api.dump("conn") if c.name.decode().lower() == name.lower())
        return run([program("isthmus"), "gw", "doctor", conn, "--socket", self.gateway.ike_socket]).stdout


def show_put(story, path, properties):
    body = json.dumps(properties)
    story.say("PUT /networking/v1/%s  %s" % (path, body if len(body) < 100 else body[:97] + "..."))


def configure(story, lab):
    story.title("The provider describes its networks, hosts and a pool of one gateway")
    for path, properties in wanted.provider():
        show_put(story, path, properties)
        lab.nc.put(path, properties)
    lab.start_gateway()
    state = lab.gateway_state()
    story.check("the gateway joined with a one-time token and is %s" % state, state == "Active")
    for t in lab.scene.tenants:
        story.title("Tenant %s gets a virtual network, two machines and its connections" % t.name)
        started = time.monotonic()
        for path, properties in lab.wanted_tenant(t):
            show_put(story, path, properties)
            lab.nc.put(path, properties)
        lab.learn_sites(t)
        story.say("all of it done after %.0f ms" % ((time.monotonic() - started) * 1000))
    story.title("The hosts are set up from `isthmus get hostroutes -o json`, and from nothing else")
    lab.wait_hosts()
    print(lab.cli("get", "hostroutes").rstrip())


def traffic_that_works(story, lab):
    story.title("What must work: every machine with its own tenant's sites, both directions")
    for t in lab.static:
        for from_ns, from_addr, _, to_addr in t.pairs():
            answered = ping(from_ns, to_addr, 6)
            story.check("%-9s %-9s -> %-9s %d of 6 answered" % (t.name, from_addr, to_addr, answered), answered >= 5)
    pairs = [p for t in lab.static for p in t.pairs()]
    story.say("now 2 s of numbered packets on all %d paths at once, so that one gone astray is seen" % len(pairs))
    with counted(lab.gateway) as increase, flows(*pairs, rate=250) as accounts:
        time.sleep(2)
    drops = {k: v for k, v in increase.items() if k.startswith("drop.")}
    sent, lost = sum(a["sent"] for a in accounts), sum(a["lost"] for a in accounts)
    story.check("%d sent, %d lost, %d duplicates, %d that belong to somebody else"
                % (sent, lost, sum(a["duplicates"] for a in accounts), sum(a["foreign"] for a in accounts)),
                lost == 0 and not any(a["foreign"] or a["duplicates"] for a in accounts))
    if lost:
        story.say("the gateway dropped %s" % (drops or "none of them"))


def settled(value, wanted_value, seconds=5):
    """value() once it is as wanted, or what it is after some seconds."""
    with contextlib.suppress(AssertionError):
        wait_for(lambda: value() >= wanted_value, seconds)
    return value()


def traffic_that_must_not(story, lab):
    story.title("What must not work: packets that claim to be another tenant's, at every way in")
    for name, case in INJECTIONS.items():
        counter = "drop." + case.reason
        before = lab.gateway.counters().get(counter, 0)
        inject(*cable_end(lab.scene, case.port), case.frame(lab), 10)
        more = settled(lambda: lab.gateway.counters().get(counter, 0) - before, 10)
        story.check("%-32s 10 sent, %d dropped: %s" % (name.replace("_", " "), more, case.words), more == 10)


def ipsec(story, lab):
    t, site = lab.ipsec, lab.ipsec_site
    story.title("Tenant adatum's site comes by IKEv2 (strongSwan; ESP over UDP) to the pool's one public address")
    site.load()
    site.swan.initiate("hq", check=False)
    path = "virtualGateways/adatum/networkConnections/IPsecGW"
    settled(lambda: lab.nc.get(path)["properties"].get("connectionState") == "Connected", True)
    described = lab.cli("describe", "networkconnection", "adatum/IPsecGW")
    shown = ("connectionType", "destinationIPAddress", "sourceIPAddress", "connectionState", "peerIdentity")
    for line in described.splitlines():
        if line.split()[:1] and line.split()[0] in shown:
            story.say(line)
    answered = ping(t.vms["vm1"].ns, MACHINE, 6), ping(site.ns, "10.0.0.4", 6, source=MACHINE)
    story.check("adatum    10.0.0.4  -> 10.3.0.10 %d of 6 answered, and back %d of 6" % answered, min(answered) >= 5)
    story.say("now the site is given a wrong secret; what does `isthmus gw doctor` say?")
    site.load(secret="a typing error")
    site.swan.swanctl("--terminate", "--ike", "hq", check=False)
    refused = site.swan.initiate("hq", check=False).returncode != 0
    settled(lambda: "shared secrets differ" in lab.doctor("adatum/IPsecGW").splitlines()[0], True, 20)
    verdict = lab.doctor("adatum/IPsecGW").splitlines()[0]
    story.say(verdict)
    story.check("the tunnel is refused and the reason named", refused and "shared secrets differ" in verdict)
    site.load()
    site.swan.initiate("hq", check=False)
    story.check("with the right secret it is back", settled(lambda: ping(t.vms["vm1"].ns, MACHINE, wait_s=0.3), 1, 20) >= 1)


def bgp(story, lab):
    t = lab.bgp
    story.title("Tenant northwind's sites speak BGP (BIRD): nobody tells them or the gateway any route")
    lab.start_sites(t)
    gre, vlan = lab.birds[t.name, t.gre_site.name], lab.birds[t.name, t.vlan_site.name]
    other = t.vlan_machine + "/32"
    settled(lambda: {t.subnet, other} <= set(gre.routes()) and {t.subnet, t.gre_lan} <= set(vlan.routes()), True, 30)
    for name, bird in (("the site by GRE", gre), ("the site by VLAN", vlan)):
        story.say("%s knows %s" % (name, ", ".join(sorted(bird.routes()))))
    story.check("each site has learnt the machines' network and the other site's",
                {t.subnet, other} <= set(gre.routes()) and {t.subnet, t.gre_lan} <= set(vlan.routes()))
    learnt = settled(lambda: set(lab.fib(t)) == {t.gre_lan, other}, True)
    story.check("the gateway has learnt %s from them" % " and ".join(sorted(lab.fib(t))), learnt)
    told = settled(lambda: lab.apply_hosts() or lab.hosts_know(t), True, 10)
    story.check("the machines' hosts have been told of them", told)
    state = settled(lambda: lab.nc.get("virtualGateways/northwind/bgpRouters/Router1/bgpPeers/SiteVlan")["properties"]
                    ["connectionState"] == "Connected", True, 10)
    story.check("the REST API shows the peer %s as Connected" % PEER_VLAN, state)
    pairs = [*t.pairs()[:2], (t.gre_site.lan_ns, t.gre_machine, t.vlan_site.lan_ns, t.vlan_machine)]
    for from_ns, from_addr, _, to_addr in pairs:
        answered = settled(lambda: ping(from_ns, to_addr, 6, source=from_addr), 5)
        story.check("northwind %-9s -> %-9s %d of 6 answered" % (from_addr, to_addr, answered), answered >= 5)


def deaths(story, lab):
    story.title("What if a process dies? kill -9 while packets flow")
    t = lab.static[0]
    pairs = t.pairs()[:2]
    for name, service in (("controller", lab.controller), ("agent", lab.gateway.agent)):
        with flows(*pairs, rate=1000) as accounts:
            service.crash()
            time.sleep(1)
        story.check("%s killed: %d packets, %d lost" % (name, sum(a["sent"] for a in accounts), sum(a["lost"] for a in accounts)),
                    not any(a["lost"] for a in accounts))
    with flows(*pairs, rate=1000) as accounts:
        settled(lambda: ping(t.vms["vm1"].ns, t.gre_machine), 1)
        lab.gateway.forwarder.crash()
        back = settled(lambda: ping(t.vms["vm1"].ns, t.gre_machine, wait_s=0.2), 1, 20)
    gap = max(a["longest_gap_ms"] for a in accounts)
    story.check("forwarder killed: traffic was back by itself after %.0f ms" % gap, back and 50 < gap < 1000)


def show_gateways(lab):
    print(lab.cli("get", "gateways").rstrip(), flush=True)


def pool(story):
    story.title("A pool of three gateways, two active and one in reserve: what if one dies with all its processes?")
    with PoolLab(3, 1, tenants=two_tenants()[:1], vlan=False) as lab:
        t = lab.tenants[0]
        vm, site = t.vms["vm1"].ns, t.gre_site.lan_ns
        wait_for(lambda: ping(vm, t.gre_machine), 20, "traffic before the loss")
        show_gateways(lab)
        victim = lab.holder_of(t, "GreGW")
        story.say("contoso's connection is on %s; a flow of packets and a TCP transfer run through it; kill -9 of all of %s"
                  % (victim.name, victim.name))
        with flows((vm, "10.0.0.4", site, t.gre_machine), rate=250) as accounts:
            transfer = Transfer(site, vm, "10.0.0.4")
            time.sleep(1)
            before = transfer.received
            victim.power_off()
            moved = settled(lambda: lab.holder_of(t, "GreGW") not in (None, victim), True, 20)
            settled(lambda: transfer.received > before + 3000000, True, 20)
            transfer.stop()
        show_gateways(lab)
        story.check("the connection moved to %s by itself" % (lab.holder_of(t, "GreGW") or victim).name, moved)
        story.check("packets: longest gap %.0f ms of %d sent" % (accounts[0]["longest_gap_ms"], accounts[0]["sent"]),
                    0 < accounts[0]["longest_gap_ms"] < 2000)
        story.check("the TCP transfer went on after a pause of %.1f s: %.1f MB, every byte as sent%s" % (
            transfer.longest_pause_s, transfer.received / 1e6, "" if not transfer.problem else "; " + transfer.problem),
            not transfer.problem and transfer.received > before + 3000000)


def look_around(lab):
    print("""
The lab stays up. Look around, and end it with Ctrl-C:
  ip netns exec {vm} ping 10.1.0.10
  {cli} get networkconnections
  {cli} describe networkconnection adatum/IPsecGW
  {gw} counters
  {gw} drops
  logs and files: {dir}""".format(vm=lab.scene.tenants[0].vms["vm1"].ns.full, cli=lab.cli_words(), gw=lab.gw_words(),
                                  dir=lab.scene.net.dir), flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()
    print("ending the lab")


def main():
    story = Story()
    print("Isthmus: tenants on one gateway, in network namespaces of this machine." + "\n" + PICTURE)
    story.title("Building the network: hosts (kernel VXLAN), sites (Open vSwitch, strongSwan, BIRD), a controller")
    with DemoLab() as lab:
        story.say("%d network namespaces, prefix %s" % (len(lab.scene.net.namespaces), lab.scene.net.prefix))
        configure(story, lab)
        traffic_that_works(story, lab)
        traffic_that_must_not(story, lab)
        ipsec(story, lab)
        bgp(story, lab)
        deaths(story, lab)
        pool(story)
        print()
        print("FAILED: " + "; ".join(story.failures) if story.failures else "All of it held.")
        if "--keep" in sys.argv:
            look_around(lab)
    return 1 if story.failures else 0


if __name__ == "__main__":
    sys.exit(main())
