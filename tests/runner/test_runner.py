# SPDX-License-Identifier: Apache-2.0
"""The runner of ./test itself, over a project of one unit test, one story and one mutant."""

import datetime
import pathlib
import shutil
import subprocess
import sys

import pytest

from conftest import is_sanitized

pytestmark = pytest.mark.skipif(is_sanitized(), reason="nothing of it is compiled with sanitizers")
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PASSED = 2 + 2 + 1 + 1  # unit test and story, each in two trees; coverage; a mutant


@pytest.fixture
def project(tmp_path):
    for name in ("devtools", "tests/stories", "tests/mutants", "tests/fuzz"):
        (tmp_path / name).mkdir(parents=True)
    shutil.copy(ROOT / "devtools" / "run_tests.py", tmp_path / "devtools")
    (tmp_path / "meson.build").write_text("project('small', 'c')\ntest('unit', executable('unit', 'unit.c'))\n")
    (tmp_path / "meson_options.txt").write_text("option('fuzz', type: 'boolean', value: false)\n")
    (tmp_path / "unit.c").write_text("int main(void) { return 0; }\n")
    (tmp_path / "tests/stories/test_story.py").write_text("def test_story():\n    pass\n")
    (tmp_path / "devtools/coverage").write_text("print('pass coverage')\n")
    (tmp_path / "tests/mutants/run.py").write_text("import sys\nprint('pass mutant')\n")
    (tmp_path / "tests/LONG.md").write_text("| command | date | seed | passed | failed | outcome |\n|---|---|---|---|---|---|\n")
    return tmp_path


def run(project, *words):
    done = subprocess.run([sys.executable, project / "devtools/run_tests.py", "--seed", "77", *words], cwd=project,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240)
    return done.returncode, done.stdout.splitlines()[-1], done.stdout + done.stderr


def test_a_run_ends_with_its_counts_and_a_failure_is_no_success(project):
    assert run(project)[:2] == (0, "%d passed, 0 failed" % PASSED)
    (project / "tests/stories/test_story.py").write_text("def test_story():\n    pass\n\ndef test_wrong():\n    assert 1 == 2\n")
    code, last, all_of_it = run(project)
    assert (code, last) == (1, "%d passed, 2 failed" % PASSED), all_of_it
    assert "test_wrong" in all_of_it and "assert 1 == 2" in all_of_it
    # A story that ends without a report, and a unit test that does, fail the run as well.
    (project / "tests/stories/test_story.py").write_text("import os\nos._exit(0)\n")
    (project / "unit.c").write_text("int main(void) { return 3; }\n")
    assert run(project)[:2] == (1, "2 passed, 4 failed")
    # What does not build is a failure, not a run of nothing.
    (project / "unit.c").write_text("int main(void) { return }\n")
    code, last, _ = run(project)
    assert code == 1 and int(last.split()[2]) >= 3


def test_a_selection_that_is_empty_is_no_success(project):
    code, last, _ = run(project, "-k", "nothing_is_called_so")
    assert code == 1 and last.split()[0] == "0"


def test_a_long_run_is_recorded_with_command_date_seed_counts_and_outcome(project):
    assert run(project, "--long", "mutants")[:2] == (0, "1 passed, 0 failed")
    (project / "tests/mutants/run.py").write_text(
        "print('pass one')\nprint('pass two')\nprint('fail three: not noticed')\nraise SystemExit(1)\n")
    assert run(project, "--long", "mutants")[:2] == (1, "2 passed, 1 failed")
    today = datetime.date.today().isoformat()
    assert (project / "tests/LONG.md").read_text().splitlines()[2:] == [
        "| `./test --long mutants` | %s | 77 | 1 | 0 | passed |" % today,
        "| `./test --long mutants` | %s | 77 | 2 | 1 | failed |" % today]
