# SPDX-License-Identifier: Apache-2.0
"""isthmus-bgp at scale: tenants with a peer each, and one tenant with a full table.

The forwarder here is a stand-in that keeps what it is told, unless ISTHMUS_BENCH_FORWARDER names the
socket of a real one: bgp_500k_fib_s is the time until all routes have been taken by it.
"""

import os
import pathlib
import resource
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent


def _spawn(argv, socket):
    process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while not socket.exists():
        if time.monotonic() > deadline or process.poll() is not None:
            raise RuntimeError("%s does not come up" % argv[0])
        time.sleep(0.01)
    return process


def _measure(build, mode, n):
    """(seconds, memory) of one run with a fresh isthmus-bgp."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="isthmus-bench-bgp-") as folder:
        folder = pathlib.Path(folder)
        fib, sock = folder / "fib.sock", folder / "bgp.sock"
        real = os.environ.get("ISTHMUS_BENCH_FORWARDER")
        processes = [] if real else [_spawn([build / "tests/agent/fake-forwarder", fib], fib)]
        fib = pathlib.Path(real) if real else fib
        try:
            processes.append(_spawn([build / "bgp/isthmus-bgp", "--socket", sock, "--forwarder", fib], sock))
            argv = [build / "bench/bench-bgp-peers", mode, sock, processes[-1].pid, n]
            argv += [fib] if mode == "routes" else []
            out = subprocess.run([str(a) for a in argv], check=True, capture_output=True, text=True, timeout=300).stdout
            return [float(x) for x in out.split()]
        finally:
            for process in reversed(processes):
                process.terminate()
                process.wait(10)


def tenants(context, wanted):
    out = {}
    if "bgp_1000_tenants_s" in wanted or "bgp_tenant_kb" in wanted:
        out["bgp_1000_tenants_s"], out["bgp_tenant_kb"] = _measure(context.build, "tenants", 1000)
    if "bgp_3000_tenants_s" in wanted:
        out["bgp_3000_tenants_s"], _ = _measure(context.build, "tenants", 3000)
    return out


def routes(context, wanted):
    out = {}
    out["bgp_500k_fib_s"], out["bgp_route_bytes"] = _measure(context.build, "routes", 500000)
    return out
