# SPDX-License-Identifier: Apache-2.0
"""isthmus-bgp at scale: tenants with a peer each, and one tenant with a full table.

Tenants: the forwarder is a stand-in that keeps what it is told. The table goes into the real one;
bgp_500k_fib_s is the time from Established until its FIB has taken all.
"""

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
        forwarder = [build / "tests/agent/fake-forwarder", fib]
        if mode == "routes":
            # A port of the kernel's: its worker sleeps, as the machine has two cores for three processes.
            forwarder = ["unshare", "-n", "sh", "-c", "ip link add up0 type veth && ip link set up0 up && exec \"$@\"", "sh",
                         build / "forwarder/isthmus-forwarder", "--socket", fib, "--no-huge", "--buffers", 2048,
                         "--port", "up0=af_packet:up0"]
        processes = [_spawn(forwarder, fib)]
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
