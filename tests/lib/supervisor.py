# SPDX-License-Identifier: Apache-2.0
"""Stands for systemd in the lab: starts what packaging/*.service says and restarts it as they say.

Follows ExecStart, EnvironmentFile (as a dict), Restart, RestartSec, StartLimitIntervalSec,
StartLimitBurst and the specifiers %t %S %E, which become folders of the lab. The sandboxing lines
are systemd's own business.
"""

import re
import shlex
import signal
import threading
import time

from net import ROOT, Process, program, wait_for

UNITS = ROOT / "packaging"
SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1, "sec": 1, "min": 60, "h": 3600, "": 1}


def read_unit(name):
    """{"Key": [values]} of all sections; continuation lines joined."""
    settings = {}
    for line in (UNITS / (name + ".service")).read_text().replace("\\\n", " ").splitlines():
        line = line.strip()
        if line and line[0] not in "#;[":
            key, _, value = line.partition("=")
            settings.setdefault(key.strip(), []).append(value.strip())
    return settings


def seconds(text):
    """"1min 500ms" -> 60.5"""
    return sum(float(n) * SECONDS[unit] for n, unit in re.findall(r"([\d.]+)\s*([a-z]*)", text))


class Service:
    """One unit in one namespace. restarts counts what the policy did by itself."""

    def __init__(self, supervisor, unit, netns, env):
        self.supervisor, self.unit, self.netns, self.env = supervisor, unit, netns, env
        self.settings = read_unit(unit)
        self.policy = self._one("Restart", "no")
        self.pause_s = seconds(self._one("RestartSec", "100ms"))
        self.limit_s = seconds(self._one("StartLimitIntervalSec", "10s"))
        self.burst = int(self._one("StartLimitBurst", "5"))
        self.restarts, self.wanted, self.starts = 0, True, []
        self.process = None
        self.changed = threading.Condition()
        self._spawn()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _one(self, key, default):
        return self.settings.get(key, [default])[-1]

    def _argv(self):
        line = self._one("ExecStart", "")
        for specifier, folder in (("%t", "run"), ("%S", "lib"), ("%E", "etc")):
            line = line.replace(specifier, str(self.supervisor.dir / folder))
        argv = []
        for word in shlex.split(line):
            bare = re.fullmatch(r"\$(\w+)", word)  # systemd splits $X into words, not ${X}
            if bare:
                argv += shlex.split(self.env.get(bare.group(1), ""))
            else:
                argv.append(re.sub(r"\$\{(\w+)\}", lambda m: self.env.get(m.group(1), ""), word))
        argv[0] = str(program(argv[0].rsplit("/", 1)[-1]))
        return argv

    def _spawn(self):
        for key, folder in (("RuntimeDirectory", "run"), ("StateDirectory", "lib")):
            for name in self._one(key, "").split():
                (self.supervisor.dir / folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        self.starts.append(time.monotonic())
        self.process = Process(self.supervisor.net, "%s-%s" % (self.supervisor.name, self.unit), self._argv(), self.netns, self.env,
                               keeps_mounts=self.unit == "isthmus-agent")

    def _should_restart(self, status):
        if not self.wanted or self.policy == "no":
            return False
        if self.policy == "on-failure" and status == 0:
            return False
        recent = [t for t in self.starts if t > time.monotonic() - self.limit_s]
        return self.limit_s == 0 or len(recent) < self.burst

    def _watch(self):
        while True:
            status = self.process.proc.wait()
            time.sleep(self.pause_s)
            with self.changed:
                if not self._should_restart(status):
                    return
                self._spawn()
                self.restarts += 1

    @property
    def pid(self):
        return self.process.pid

    def kill(self, sig=signal.SIGKILL):
        """As if it had crashed: the policy decides what follows."""
        self.process.kill(sig)

    def crash(self):
        """kill -9, and until the policy has started it again. The new pid."""
        before = self.restarts
        self.kill()
        wait_for(lambda: self.restarts > before, 10, "%s is started again" % self.unit)
        return self.pid

    def stop(self):
        with self.changed:
            self.wanted = False
        self.process.stop()
        self.thread.join(30)
        return self.process.proc.returncode

    def start(self):
        """Again after stop()."""
        self.wanted = True
        self._spawn()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def output(self):
        return self.process.output()


class Supervisor:
    """The services of one machine of the lab, with its own /run, /var/lib and /etc."""

    def __init__(self, net, name):
        self.net, self.name = net, name
        self.dir = net.dir / name
        for folder in ("run/isthmus", "lib", "etc"):
            (self.dir / folder).mkdir(parents=True, exist_ok=True)
        self.services = {}
        net.on_close(self.stop)

    def start(self, unit, netns, **env):
        self.services[unit] = service = Service(self, unit, netns, {k: str(v) for k, v in env.items()})
        return service

    def stop(self):
        for service in reversed(list(self.services.values())):
            service.stop()
