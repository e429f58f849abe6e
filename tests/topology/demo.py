#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The demo: two tenants with the same addresses, one gateway, told in words. See ./demo --help."""

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
from controlled import ControlledLab
from injections import INJECTIONS, cable_end
from net import wait_for
from traffic import flows, inject, ping

PICTURE = """
  contoso   vm1 10.0.0.4 (host h1)                          GRE, key 1234 --- site-a  10.1.0.10
            vm2 10.0.0.5 (host h2) --- VXLAN ---.        ,- VLAN 1001 ------- vlan-a  10.2.0.10
                                              gateway --
  fabrikam  vm1 10.0.0.4 (host h1) --- VXLAN ---'        `- GRE, key 5678 --- site-b  10.1.0.10
            vm2 10.0.0.5 (host h2)                          VLAN 1002 ------- vlan-b  10.2.0.10

  Both tenants use the same addresses, at home and at their sites. That is the point.
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
        for path, properties in wanted.tenant(t):
            show_put(story, path, properties)
            lab.nc.put(path, properties)
        lab.learn_sites(t)
        story.say("all of it done after %.0f ms" % ((time.monotonic() - started) * 1000))
    story.title("The hosts are set up from `isthmus get hostroutes -o json`, and from nothing else")
    lab.wait_hosts()
    print(lab.cli("get", "hostroutes").rstrip())


def traffic_that_works(story, lab):
    story.title("What must work: every machine with its own tenant's sites, both directions")
    for t in lab.scene.tenants:
        for from_ns, from_addr, _, to_addr in t.pairs():
            answered = ping(from_ns, to_addr, 6)
            story.check("%-9s %-9s -> %-9s %d of 6 answered" % (t.name, from_addr, to_addr, answered), answered >= 5)
    pairs = [p for t in lab.scene.tenants for p in t.pairs()]
    story.say("now 2 s of numbered packets on all %d paths at once, so that one gone astray is seen" % len(pairs))
    with flows(*pairs, rate=250) as accounts:
        time.sleep(2)
    sent, lost = sum(a["sent"] for a in accounts), sum(a["lost"] for a in accounts)
    story.check("%d sent, %d lost, %d duplicates, %d that belong to somebody else"
                % (sent, lost, sum(a["duplicates"] for a in accounts), sum(a["foreign"] for a in accounts)),
                lost == 0 and not any(a["foreign"] or a["duplicates"] for a in accounts))


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


def deaths(story, lab):
    story.title("What if a process dies? kill -9 while packets flow")
    t = lab.scene.tenants[0]
    pairs = t.pairs()[:2]
    for name, service in (("controller", lab.controller), ("agent", lab.gateway.agent)):
        with flows(*pairs, rate=1000) as accounts:
            service.crash()
            time.sleep(1)
        story.check("%s killed: %d packets, %d lost" % (name, sum(a["sent"] for a in accounts), sum(a["lost"] for a in accounts)),
                    not any(a["lost"] for a in accounts))
    with flows(*pairs, rate=1000) as accounts:
        time.sleep(0.3)
        lab.gateway.forwarder.crash()
        time.sleep(2)
    gap = max(a["longest_gap_ms"] for a in accounts)
    story.check("forwarder killed: traffic was back by itself after %.0f ms" % gap, 0 < gap < 1000)


def look_around(lab):
    print("""
The lab stays up. Look around, and end it with Ctrl-C:
  ip netns exec {vm} ping 10.1.0.10
  {cli} get networkconnections
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
    print("Isthmus: two tenants, one gateway, in network namespaces of this machine." + "\n" + PICTURE)
    story.title("Building the network: hosts (kernel VXLAN), sites (Open vSwitch), a router, a controller")
    with ControlledLab() as lab:
        story.say("%d network namespaces, prefix %s" % (len(lab.scene.net.namespaces), lab.scene.net.prefix))
        configure(story, lab)
        traffic_that_works(story, lab)
        traffic_that_must_not(story, lab)
        deaths(story, lab)
        print()
        print("FAILED: " + "; ".join(story.failures) if story.failures else "All of it held.")
        if "--keep" in sys.argv:
            look_around(lab)
    return 1 if story.failures else 0


if __name__ == "__main__":
    sys.exit(main())
