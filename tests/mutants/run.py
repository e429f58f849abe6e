#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Mutants: small breaks of the product, each of which its named test must notice.

tests/mutants/NAME.patch starts with a line "# test: NAME" (a meson test, a cmocka function is
reached through its meson test, or FILE::test of a pytest story under tests/). For each the patch is
applied to a copy of the tree, the copy is built, and the test must be red; without any patch it
must be green. Prints "pass NAME" or "fail NAME: why" for each.
  run.py [--count N] [--seed S] [NAME...]
"""

import argparse
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD_LIMIT_S, TEST_LIMIT_S = 600, 300


def run(argv, cwd, limit_s, env=None):
    try:
        return subprocess.run([str(a) for a in argv], cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, errors="replace", timeout=limit_s)
    except subprocess.TimeoutExpired as e:
        return subprocess.CompletedProcess(argv, 124, stdout="", stderr="no end after %d s: %s" % (limit_s, e))


class Copy:
    """A copy of the working tree with a build of its own; ccache makes the next build short."""

    def __init__(self, directory):
        self.tree, self.build = directory / "tree", directory / "build"
        self.green = {}
        files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True, capture_output=True)
        for name in files.stdout.decode().split("\0"):
            if name and (ROOT / name).is_file():
                (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.tree / name)
        made = run(["meson", "setup", self.build, self.tree, "-Dbuildtype=debugoptimized"], self.tree, BUILD_LIMIT_S, {"CC": "ccache gcc"})
        if made.returncode:
            sys.exit("cannot set the copy up:\n" + made.stdout + made.stderr)

    def patch(self, path, *options):
        return run(["patch", "-p1", "--no-backup-if-mismatch", "-s", "-i", path, *options], self.tree, 60)

    def compile(self):
        return run(["ninja", "-C", self.build], self.tree, BUILD_LIMIT_S)

    def test(self, name):
        """True if the named test passes in this copy; it must have run."""
        if ".py" in name:
            argv = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", self.tree / "tests" / name.split("::")[0]]
            if "::" in name:
                argv += ["-k", name.split("::")[1]]
            done = run(argv, self.tree, TEST_LIMIT_S, {"ISTHMUS_BUILD": str(self.build)})
            return done.returncode == 0
        done = run(["meson", "test", "-C", self.build, "--no-rebuild", name], self.tree, TEST_LIMIT_S)
        return done.returncode == 0 and re.search(r"^Ok:\s+[1-9]", done.stdout, re.M) is not None

    def is_green(self, name):
        if name not in self.green:
            self.green[name] = self.compile().returncode == 0 and self.test(name)
        return self.green[name]


def test_of(path):
    first = path.read_text().splitlines()[0]
    match = re.match(r"# test: (\S+)$", first)
    return match.group(1) if match else None


def try_mutant(copy, path):
    """None if the mutant was noticed, else why not."""
    test = test_of(path)
    if not test:
        return 'its first line is not "# test: NAME"'
    if not copy.is_green(test):
        return "%s is not green without it" % test
    applied = copy.patch(path)
    if applied.returncode:
        copy.patch(path, "-R", "-f")
        return "does not apply: " + (applied.stdout + applied.stderr).strip()[:300]
    try:
        built = copy.compile()
        if built.returncode:
            return "does not build: " + built.stdout[-600:]
        return "%s does not notice it" % test if copy.test(test) else None
    finally:
        undone = copy.patch(path, "-R")
        if undone.returncode:
            sys.exit("cannot take %s back: %s" % (path.name, undone.stdout))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("names", nargs="*")
    p.add_argument("--count", type=int, default=0, help="that many, chosen by the seed; 0: all")
    p.add_argument("--seed", type=int, default=1)
    options = p.parse_args()
    paths = sorted(HERE.glob("*.patch"))
    if options.names:
        paths = [x for x in paths if x.stem in options.names]
    if options.count and len(paths) > options.count:
        paths = sorted(random.Random(options.seed).sample(paths, options.count))
    print("seed %d, %d mutants" % (options.seed, len(paths)))
    if not paths:
        return 0
    bad = 0
    with tempfile.TemporaryDirectory(prefix="isthmus-mutants-") as directory:
        copy = Copy(pathlib.Path(directory))
        for path in paths:
            problem = try_mutant(copy, path)
            bad += problem is not None
            print("fail %s: %s" % (path.stem, problem) if problem else "pass %s" % path.stem, flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
