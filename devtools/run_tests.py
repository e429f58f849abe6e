#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every test of the project and ends with one line: N passed, N failed.

Builds three trees (release; address and undefined-behaviour sanitizers; fuzz targets by clang) and queues what
there is to run over them: the unit tests of both, each story file over both, a slice of each fuzz
target, a slice of the mutants, a slice of each long test. Jobs run a few at a time; those whose
result depends on the clock run alone, last. A story or unit test that failed beside other jobs is
run once more alone, and that outcome counts: who needs a quiet machine is told from who is broken,
and both runs are shown. Every job's output is in build-test/logs.
"""

import argparse
import datetime
import json
import os
import pathlib
import queue
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "build-test"
LOGS = WORK / "logs"
TREES = {
    "release": ["-Dbuildtype=release"],
    "asan": ["-Dbuildtype=debugoptimized", "-Db_sanitize=address,undefined", "-Db_lundef=false"],
    "fuzz": ["-Dbuildtype=debugoptimized", "-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dfuzz=true"],
}
# Of that tree only what is fuzzed is built.
FUZZ_TARGETS = "$(ninja -C %s -t targets all | sed -n 's,^\\(tests/fuzz/fuzz_[^:/]*\\): .*,\\1,p')"
SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99",
}
JOB_LIMIT_S = 25 * 60  # one job; a hang becomes a failure with its log


class Result:
    def __init__(self, passed=0, failed=0, skipped=0, notes=()):
        self.passed, self.failed, self.skipped, self.notes = passed, failed, skipped, list(notes)


class Job:
    """One process to run and a way to count what it said. `alone`: nothing runs beside it.
    `timed`: it waits for things with limits, so that a failure beside others is looked at again."""

    def __init__(self, name, argv, read, env=None, alone=False, timed=False):
        self.name, self.argv, self.read = name, [str(a) for a in argv], read
        self.env, self.alone, self.timed = env or {}, alone, timed
        self.log = LOGS / (re.sub(r"[^A-Za-z0-9_.-]+", "-", name) + ".log")
        self.result, self.seconds = None, 0.0

    def again(self):
        """The same job, for a second run alone; the first one's log stays beside it."""
        self.log.replace(self.log.with_suffix(".first.log"))
        job = Job(self.name, self.argv, self.read, self.env, alone=True)
        job.name += ", again alone"
        job.log = self.log
        return job

    def run(self):
        started = time.monotonic()
        with open(self.log, "wb") as log:
            log.write((" ".join(self.argv) + "\n").encode())
            log.flush()
            try:
                proc = subprocess.Popen(self.argv, cwd=ROOT, env={**os.environ, **self.env}, stdin=subprocess.DEVNULL,
                                        stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
                RUNNING.add(proc)
                try:
                    status = proc.wait(timeout=JOB_LIMIT_S)
                except subprocess.TimeoutExpired:
                    stop_group(proc)
                    status = "no end after %d s" % JOB_LIMIT_S
                finally:
                    RUNNING.discard(proc)
            except OSError as e:
                status = str(e)
        self.seconds = time.monotonic() - started
        try:
            self.result = self.read(self, status)
        except Exception as e:  # a report that is missing or torn is a failed job, not a crash here
            self.result = Result(failed=1, notes=["no readable result: %r" % e])
        if status != 0 and self.result.failed == 0:
            self.result.failed = 1
            self.result.notes.append("ended with %s" % status)


RUNNING = set()


def stop_group(proc):
    """Asks, then insists; the processes a job started are in its session."""
    for sig, wait_s in ((signal.SIGTERM, 20), (signal.SIGKILL, 5)):
        try:
            os.killpg(proc.pid, sig)
            proc.wait(timeout=wait_s)
            return
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


# -- how each kind of job counts


def read_status(job, status):
    return Result(passed=1) if status == 0 else Result(failed=1, notes=["ended with %s" % status])


def read_build(job, status):
    """A build is no test: it counts only when it fails."""
    return Result() if status == 0 else read_status(job, status)


def read_meson(tree):
    def read(job, status):
        r = Result()
        with open(WORK / tree / "meson-logs" / "testlog.json") as f:
            for line in f:
                test = json.loads(line)
                if test["result"] in ("OK", "EXPECTEDFAIL"):
                    r.passed += 1
                elif test["result"] == "SKIP":
                    r.skipped += 1
                    r.notes.append("skipped: " + test["name"])
                else:
                    r.failed += 1
                    r.notes.append("%s: %s" % (test["name"], test["result"]))
        return r
    return read


def read_junit(path):
    def read(job, status):
        r = Result()
        if status == 5:  # pytest: nothing selected
            job.log.write_text(job.log.read_text() + "no test selected\n")
        for case in xml.etree.ElementTree.parse(path).iter("testcase"):
            kinds = {child.tag for child in case}
            name = "%s::%s" % (case.get("classname", "").split(".")[-1], case.get("name"))
            if kinds & {"failure", "error"}:
                r.failed += 1
                r.notes.append(name)
            elif "skipped" in kinds:
                r.skipped += 1
                why = "skipped: " + case.find("skipped").get("message", "")
                if why not in r.notes:
                    r.notes.append(why)
            else:
                r.passed += 1
        return r
    return read


def read_lines(job, status):
    """Programs of ours that print a line "pass NAME", "fail NAME" or "skip NAME" for each test."""
    r = Result()
    for line in job.log.read_text(errors="replace").splitlines():
        word, _, name = line.partition(" ")
        if word == "pass":
            r.passed += 1
        elif word == "fail":
            r.failed += 1
            r.notes.append(name)
        elif word == "skip":
            r.skipped += 1
            r.notes.append("skipped: " + name)
    return r


# -- what there is to run


def build_job(tree):
    directory = WORK / tree
    setup = "" if (directory / "build.ninja").exists() else "meson setup %s %s && " % (directory, " ".join(TREES[tree]))
    env = {"CC": "ccache clang-14" if tree == "fuzz" else "ccache gcc"}
    targets = FUZZ_TARGETS % directory if tree == "fuzz" else ""
    return Job("build " + tree, ["sh", "-c", setup + "ninja -C %s %s" % (directory, targets)], read_build, env)


def unit_job(tree, options):
    argv = ["meson", "test", "-C", WORK / tree, "--no-rebuild", "--num-processes", str(options.jobs), "--timeout-multiplier",
            "8" if tree == "asan" else "4"]
    return Job("unit tests (%s)" % tree, argv, read_meson(tree), SANITIZER_ENV, timed=True)


def plan_job(options, fleets):
    argv = ["env", "PLAN_FLEETS=%d" % fleets, "PLAN_SEED=%d" % (options.seed % 2**32 or 1),
            WORK / "release" / "controller" / "plan" / "plan_plan_property_test"]
    return Job("%d random fleets" % fleets, argv, read_status)


def story_files():
    return sorted((ROOT / "tests").glob("*/test_*.py"))


def story_job(path, tree, options, long_s=0):
    """`# runs alone` among a file's first lines: its figures need the machine for themselves."""
    name = path.relative_to(ROOT / "tests").with_suffix("")
    report = LOGS / ("%s-%s.xml" % (str(name).replace("/", "-"), tree))
    report.unlink(missing_ok=True)
    argv = [sys.executable, "-m", "pytest", "-q", "-x" if options.stop else "--maxfail=1000", "-p", "no:cacheprovider",
            "--junitxml=%s" % report, path]
    if options.k:
        argv += ["-k", options.k]
    env = {"ISTHMUS_BUILD": str(WORK / tree), "ISTHMUS_SEED": str(options.seed), **SANITIZER_ENV}
    if long_s:
        env["ISTHMUS_LONG_S"] = str(long_s)
    head = path.read_text().splitlines()[:5]
    return Job("%s (%s)" % (name, tree), argv, read_junit(report), env, alone="# runs alone" in head, timed=True)


def fuzz_jobs(options, seconds_each):
    jobs = []
    for exe in sorted((WORK / "fuzz" / "tests" / "fuzz").glob("fuzz_*")):
        if not exe.is_file() or not os.access(exe, os.X_OK):
            continue
        name = exe.name[len("fuzz_"):]
        found = WORK / "corpus" / name
        found.mkdir(parents=True, exist_ok=True)
        argv = [exe, "-max_total_time=%d" % seconds_each, "-seed=%d" % (options.seed % 2**32 or 1), "-rss_limit_mb=2048",
                "-print_final_stats=1", "-artifact_prefix=%s/%s-" % (LOGS, name), found, ROOT / "tests" / "fuzz" / "corpus" / name]
        jobs.append(Job("fuzz " + name, argv, read_status, SANITIZER_ENV))
    return jobs


def fuzz_seconds(total_s):
    targets = len(list((ROOT / "tests" / "fuzz").glob("*_fuzz.c")))
    return max(2, total_s // max(1, targets))


def mutants_job(options, count):
    argv = [sys.executable, "tests/mutants/run.py", "--seed", str(options.seed)] + (["--count", str(count)] if count else [])
    return Job("mutants", argv, read_lines, alone=True)


def checks_job():
    return Job("style checks", [sys.executable, "devtools/check_style.py"], read_lines)


def coverage_job():
    return Job("feature coverage", [sys.executable, "devtools/coverage", "--check"], read_lines)


# -- running


class Progress:
    def __init__(self):
        self.lock = threading.Lock()
        self.done, self.total = [], 0

    def plan(self, n):
        self.total += n

    def finished(self, job):
        r = job.result
        with self.lock:
            self.done.append(job)
            words = "%d passed" % r.passed + (", %d skipped" % r.skipped if r.skipped else "")
            print("[%2d/%2d] %-4s %-44s %s (%.0f s)" % (len(self.done), self.total, "FAIL" if r.failed else "ok", job.name,
                  words + (", %d failed" % r.failed if r.failed else ""), job.seconds), flush=True)
            for note in r.notes:
                print("          " + note)
            if r.failed:
                tail = job.log.read_text(errors="replace").splitlines()[-60:]
                print("\n".join("        | " + line for line in tail))
                print("          all of it: %s" % job.log, flush=True)

    def forget(self, job):
        """Its second run is what counts."""
        with self.lock:
            self.done.remove(job)

    def counts(self):
        return tuple(sum(getattr(j.result, k) for j in self.done) for k in ("passed", "failed", "skipped"))


def run_jobs(jobs, width, progress):
    """At most `width` at a time; those marked alone after the others, one by one."""
    progress.plan(len(jobs))
    waiting = queue.Queue()
    for job in jobs:
        if not job.alone:
            waiting.put(job)

    def work():
        while True:
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            job.run()
            progress.finished(job)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(width)]
    for t in threads:
        t.start()
    for t in threads:
        while t.is_alive():  # join() with a limit lets Ctrl-C through
            t.join(0.5)
    last = [j for j in jobs if j.alone]
    for job in [j for j in jobs if j.timed and not j.alone and j.result.failed]:
        progress.forget(job)
        last.append(job.again())
    for job in last:
        job.run()
        progress.finished(job)


def build(trees, progress):
    """One after the other, as each uses all cores. The names of those that built."""
    jobs = {tree: build_job(tree) for tree in trees}
    for job in jobs.values():
        run_jobs([job], 1, progress)
    return [tree for tree, job in jobs.items() if not job.result.failed]


def normal_run(options, progress):
    built = build(list(options.trees if options.k else TREES), progress)
    jobs = []
    if options.checks and not options.k:
        jobs.append(checks_job())
    if not options.k:
        jobs += [coverage_job()] + [unit_job(tree, options) for tree in ("release", "asan") if tree in built]
    jobs += [story_job(path, tree, options) for path in story_files() for tree in options.trees if tree in built]
    if not options.k:
        jobs += fuzz_jobs(options, fuzz_seconds(60))
        jobs.append(mutants_job(options, 10))
    run_jobs(jobs, options.jobs, progress)


# Long tests: name -> jobs. What `./test` runs a slice of, for as long as it takes.
LONG = {
    "fuzz": lambda o: fuzz_jobs(o, o.long_s or 3600),
    "mutants": lambda o: [mutants_job(o, 0)],
    "plan": lambda o: [plan_job(o, 10000)],
    "stories": lambda o: [story_job(p, t, o, o.long_s or 1800) for p in story_files() for t in o.trees],
}


def long_run(options, progress):
    if len(build(TREES, progress)) < len(TREES):
        return
    for name in [options.long] if options.long != "all" else LONG:
        before = progress.counts()
        run_jobs(LONG[name](options), options.jobs, progress)
        passed, failed, _ = (b - a for a, b in zip(before, progress.counts()))
        with open(ROOT / "tests" / "LONG.md", "a") as f:
            f.write("| `./test --long %s` | %s | %d | %d | %d | %s |\n" % (
                name, datetime.date.today().isoformat(), options.seed, passed, failed, "failed" if failed else "passed"))


def parse_args():
    p = argparse.ArgumentParser(prog="./test", description="Runs every test of the project.")
    p.add_argument("-k", metavar="PATTERN", help="only the stories whose name matches, as pytest's -k")
    p.add_argument("-x", dest="stop", action="store_true", help="stop a story file at its first failure")
    p.add_argument("--long", nargs="?", const="all", choices=["all", *LONG], metavar="NAME",
                   help="the long form of a test (%s), recorded in tests/LONG.md" % ", ".join(LONG))
    p.add_argument("--long-s", type=int, default=0, metavar="S", help="with --long: seconds a test instead of its own length")
    p.add_argument("--tree", dest="trees", action="append", choices=["release", "asan"], help="only this build's stories")
    p.add_argument("--checks", action="store_true", help="the style checks too")
    p.add_argument("--seed", type=int, default=0, help="repeat a run's random choices")
    p.add_argument("--jobs", type=int, default=os.cpu_count() or 2, help="how many at a time")
    options = p.parse_args()
    options.seed = options.seed or random.SystemRandom().randrange(1, 2**31)
    options.trees = options.trees or ["release", "asan"]
    return options


def main():
    options = parse_args()
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    progress = Progress()
    print("seed %d; logs in %s" % (options.seed, LOGS.relative_to(ROOT)), flush=True)
    started = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        (long_run if options.long else normal_run)(options, progress)
    finally:
        for proc in list(RUNNING):
            stop_group(proc)
    passed, failed, skipped = progress.counts()
    print("%d s%s" % (time.monotonic() - started, ", %d skipped" % skipped if skipped else ""))
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
