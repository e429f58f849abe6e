# SPDX-License-Identifier: Apache-2.0
"""BIRD's and FRR's figures for what bgp_scale.py measures: one table of 500 000 routes into their FIB.

   tenant namespace (10.0.0.1) with the daemon ---- site (10.0.0.2) with bench-bgp-peers serve

Their FIB is the kernel's. The time is from Established, as the site says it, until the kernel has all.
"""

import os
import shutil
import time

from net import Net, wait_for

ROUTES = 500000
LIMIT_S = 60
NAMES = ["peer_%s_%s" % (daemon, figure) for daemon in ("bird", "frr") for figure in ("500k_fib_s", "route_bytes")]

BIRD = """
router id 10.0.0.1;
protocol device {}
protocol kernel { ipv4 { import none; export all; }; }
protocol bgp site { local 10.0.0.1 as 64512; neighbor 10.0.0.2 as 65001; connect retry time 1;
  connect delay time 1; ipv4 { import all; export none; }; }
"""

FRR = """
router bgp 64512
 bgp router-id 10.0.0.1
 no bgp ebgp-requires-policy
 timers bgp connect 1
 neighbor 10.0.0.2 remote-as 65001
"""


def rss_kb(pid):
    with open("/proc/%d/status" % pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


def fib_size(ns):
    """Prefixes in the main table, without walking them."""
    with ns.entered(), open("/proc/thread-self/net/fib_triestat") as f:
        text = f.read()
    main = text[text.index("Main:"):] if "Main:" in text else ""
    return next((int(line.split()[1]) for line in main.splitlines() if line.strip().startswith("Prefixes:")), 0)


def bird(net, ns):
    conf = net.dir / "bird.conf"
    conf.write_text(BIRD)
    return [net.spawn("bird", ["bird", "-f", "-c", conf, "-s", net.dir / "bird.ctl", "-P", net.dir / "bird.pid"], ns)]


def frr(net, ns):
    folder = net.dir / "frr"
    folder.mkdir(mode=0o777)
    shutil.chown(folder, "frr", "frr")
    os.chmod(net.dir, 0o755)
    conf, empty = folder / "bgpd.conf", folder / "zebra.conf"
    conf.write_text(FRR)
    empty.write_text("")
    common = ["--vty_socket", folder, "-z", folder / "zserv.api", "-u", "frr", "-g", "frr", "-P", "0"]
    zebra = net.spawn("zebra", ["/usr/lib/frr/zebra", "-f", empty, "-i", folder / "zebra.pid", *common], ns)
    wait_for(lambda: (folder / "zserv.api").exists(), what="zebra's socket")
    return [zebra, net.spawn("bgpd", ["/usr/lib/frr/bgpd", "-f", conf, "-i", folder / "bgpd.pid", *common], ns)]


def measure(build, start):
    with Net() as net:
        tenant, site = net.namespace("tenant"), net.namespace("site")
        net.link(tenant, "eth0", site, "eth0", mtu=1500)
        tenant.ip("addr add 10.0.0.1/24 dev eth0")
        site.ip("addr add 10.0.0.2/24 dev eth0")
        daemons = start(net, tenant)
        time.sleep(1)
        before = sum(rss_kb(d.pid) for d in daemons)
        serve = net.spawn("serve", [build / "bench/bench-bgp-peers", "serve", "10.0.0.2", str(ROUTES)], site)
        wait_for(lambda: "established" in serve.output() or not serve.alive(), LIMIT_S, "the session", step=0.005)
        began = time.monotonic()
        wait_for(lambda: fib_size(tenant) >= ROUTES or not serve.alive(), LIMIT_S, "the kernel's FIB", step=0.02)
        seconds = time.monotonic() - began
        if not serve.alive():
            raise RuntimeError("the session ended: " + serve.output())
        return seconds, (sum(rss_kb(d.pid) for d in daemons) - before) * 1024 / ROUTES


def routes(context, wanted):
    out = {}
    for name, start in (("bird", bird), ("frr", frr)):
        if any(w.startswith("peer_%s_" % name) for w in wanted):
            out["peer_%s_500k_fib_s" % name], out["peer_%s_route_bytes" % name] = measure(context.build, start)
    return out
