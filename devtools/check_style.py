#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Style checks over the files of the repository. Prints "pass NAME" or "fail NAME" with the places.

  check_style.py [--list] [NAME...]
"""

import collections
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
REASONS = ROOT / "devtools" / "size-reasons.txt"
FUNCTION_LINES, FUNCTION_COMPLEXITY, FILE_LINES = 80, 15, 800
BIG_FILE = 512 * 1024
BANNED = ["strcpy", "strcat", "sprintf", "vsprintf", "gets", "atoi", "atol", "strtok", "alloca", "system", "popen"]

# What a folder may include besides itself. Downwards only; "*" in a key is a prefix.
LAYERS = {
    "lib": set(),
    "model": {"lib"},
    "api": {"lib"},
    "dataplane": {"lib", "api"},
    "forwarder": {"lib", "api", "dataplane"},
    "mux": {"lib", "api", "dataplane"},
    "ike": {"lib", "api"},
    "bgp": {"lib", "api"},
    "agent": {"lib", "api", "model"},
    "controller": {"lib", "model"},
    "cli": {"lib", "api", "model"},
}
DPDK_FOLDERS = {"dataplane", "forwarder", "mux", "bench", "tests"}


def tracked(suffixes=()):
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [p for p in out.splitlines() if (not suffixes or p.endswith(suffixes)) and (ROOT / p).is_file()]


def text(path):
    return (ROOT / path).read_text(errors="replace")


def c_files():
    return tracked((".c", ".h"))


def scripts(kind):
    """Files by their first line: "bash", "sh", "python"."""
    found = []
    for path in tracked():
        if path.endswith(".patch") or "/corpus/" in path:
            continue
        with open(ROOT / path, "rb") as f:
            first = f.readline(80)
        if first.startswith(b"#!") and kind.encode() in first:
            found.append(path)
    return found


def without_comments_and_strings(source):
    """The same length in lines, so that line numbers stay true."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return pattern.sub(lambda m: '""' if m.group(0)[0] in "\"'" else "\n" * m.group(0).count("\n"), source)


# -- the checks: each returns a list of places


def check_format():
    bad = []
    files = c_files()
    for i in range(0, len(files), 50):
        done = subprocess.run(["clang-format-14", "--dry-run", "-Werror", *files[i:i + 50]], cwd=ROOT, capture_output=True, text=True)
        bad += sorted({line.split(":")[0] for line in done.stderr.splitlines() if ": error:" in line})
    return [b + ": not as clang-format-14 writes it" for b in bad]


def check_spdx():
    bad = []
    for path in tracked((".c", ".h", ".py", "meson.build")) + scripts("bash") + scripts("python"):
        if "SPDX-License-Identifier: " not in "\n".join(text(path).splitlines()[:2]) and not path.endswith("meson.build"):
            bad.append(path + ": no SPDX line at the top")
    return sorted(set(bad))


def check_banned():
    pattern = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(BANNED))
    bad = []
    for path in c_files():
        for number, line in enumerate(without_comments_and_strings(text(path)).splitlines(), 1):
            for m in pattern.finditer(line):
                bad.append("%s:%d: %s() is banned" % (path, number, m.group(1)))
            if re.search(r"\btypedef\s+(struct|union)\b", line):
                bad.append("%s:%d: typedef of a struct" % (path, number))
    return bad


def functions(path):
    """(name, first line, lines, complexity) of each function: a brace alone in column 0 ends it."""
    lines = without_comments_and_strings(text(path)).splitlines()
    start = None
    for i, line in enumerate(lines):
        if line == "{":
            start = i
        elif line == "}" and start is not None:
            head = " ".join(lines[max(0, start - 8):start])
            names = re.findall(r"(\w+)\s*\([^;{}]*$", head.rsplit("}", 1)[-1].rsplit(";", 1)[-1])
            name = re.findall(r"(\w+)\s*\(", head.rsplit("}", 1)[-1].rsplit(";", 1)[-1])
            body = "\n".join(lines[start:i + 1])
            complexity = 1 + len(re.findall(r"\b(?:if|for|while|case)\b|&&|\|\||\?", body))
            yield (name[0] if name else names[0] if names else "?"), start, i - start + 1, complexity
            start = None


def reasons():
    """"path function reason" or "path reason": what may be larger than the rule, and why."""
    found = {}
    if REASONS.exists():
        for line in REASONS.read_text().splitlines():
            if line.strip() and not line.startswith("#"):
                place, _, why = line.partition("\t")
                found[place] = why.strip()
    return found


def check_sizes():
    bad, excused = [], reasons()
    needed = set()
    for path in tracked((".c", ".h", ".py")):
        count = len(text(path).splitlines())
        if count > FILE_LINES:
            needed.add(path)
            if not excused.get(path):
                bad.append("%s: %d lines and no reason in %s" % (path, count, REASONS.name))
    for path in tracked((".c",)):
        for name, line, length, complexity in functions(path):
            if length <= FUNCTION_LINES and complexity <= FUNCTION_COMPLEXITY:
                continue
            place = "%s:%s" % (path, name)
            needed.add(place)
            if not excused.get(place):
                bad.append("%s:%d: %s has %d lines, complexity %d and no reason in %s"
                           % (path, line, name, length, complexity, REASONS.name))
    bad += ["%s: %s is not too large (any more)" % (REASONS.name, place) for place in excused if place not in needed]
    return bad


def check_includes():
    owner = collections.defaultdict(set)
    for path in tracked((".h",)):
        owner[pathlib.PurePath(path).name].add(path.split("/")[0])
    bad = []
    for path in c_files():
        folder = path.split("/")[0]
        for number, line in enumerate(text(path).splitlines(), 1):
            m = re.match(r'#include ([<"])([^>"]+)[>"]', line)
            if not m:
                continue
            if m.group(2).startswith("rte_") and folder not in DPDK_FOLDERS:
                bad.append("%s:%d: DPDK is seen only by %s" % (path, number, ", ".join(sorted(DPDK_FOLDERS))))
            if m.group(1) == '"' and folder in LAYERS:
                owners = owner.get(pathlib.PurePath(m.group(2)).name, set())
                if owners and not owners & (LAYERS[folder] | {folder}):
                    bad.append("%s:%d: %s may not see %s" % (path, number, folder, "/".join(owners)))
    return bad


def check_shell():
    files = sorted(set(scripts("bash") + scripts("/sh") + tracked((".sh",))))
    done = subprocess.run(["shellcheck", "-f", "gcc", *files], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.splitlines() + done.stderr.splitlines()


def check_python():
    bad = []
    for path in sorted(set(tracked((".py",)) + scripts("python"))):
        try:
            compile(text(path), path, "exec")
        except SyntaxError as e:
            bad.append("%s:%s: %s" % (path, e.lineno, e.msg))
        for number, line in enumerate(text(path).splitlines(), 1):
            if len(line) > 140:
                bad.append("%s:%d: %d columns" % (path, number, len(line)))
    return bad


def check_words():
    """The project speaks of itself: no places of one machine, no marks of unfinished work."""
    pattern = re.compile(r"(/(?:work|home|root)/\w)|\b(TO" r"DO|FIX" r"ME|XX" r"X)\b|\b([Ii]ssue #?\d+)\b")
    bad = []
    for path in tracked():
        if "/corpus/" in path or path == "LICENSE":
            continue
        for number, line in enumerate(text(path).splitlines(), 1):
            m = pattern.search(line)
            if m:
                bad.append("%s:%d: %s" % (path, number, m.group(0)))
    return bad


def check_big_files():
    return ["%s: %d KiB" % (p, (ROOT / p).stat().st_size // 1024) for p in tracked() if (ROOT / p).stat().st_size > BIG_FILE]


def check_fuzz_corpora():
    """Each fuzz target is listed and has a corpus, small."""
    bad, listed = [], text("tests/fuzz/meson.build")
    for path in tracked(("_fuzz.c",)):
        name = pathlib.PurePath(path).name[:-len("_fuzz.c")]
        corpus = list((ROOT / "tests/fuzz/corpus" / name).glob("*"))
        if "'%s'" % name not in listed:
            bad.append(path + ": not in tests/fuzz/meson.build")
        if not corpus or sum(f.stat().st_size for f in corpus) > 256 * 1024:
            bad.append(path + ": no corpus, or one over 256 KiB")
    return bad


def check_folders():
    """ARCHITECTURE.md names every folder with something in it."""
    words = text("ARCHITECTURE.md") if (ROOT / "ARCHITECTURE.md").exists() else ""
    folders = {str(pathlib.PurePath(p).parent) for p in tracked() if "/" in p}
    return ["ARCHITECTURE.md does not name %s/" % f for f in sorted(folders) if f + "/" not in words and "/corpus/" not in f + "/"]


CHECKS = {name[len("check_"):]: f for name, f in list(globals().items()) if name.startswith("check_")}


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join(CHECKS))
        return 0
    failed = False
    for name in sys.argv[1:] or CHECKS:
        bad = CHECKS[name]()
        failed = failed or bool(bad)
        print("%s style/%s" % ("fail" if bad else "pass", name))
        for place in bad[:50]:
            print("    " + place)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
