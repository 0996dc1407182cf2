"""`python -m benchmarks`, which `make bench` runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import names

ROOT = Path(__file__).parent.parent
LIMIT = 900
QUICK = {"results", "sends", "startup", "tokens"}
"""Those that `make test` runs, with `walks` in `tests/docs`; `make test-bench` runs the others."""
EACH = [pytest.param(name, marks=() if name in QUICK else pytest.mark.bench) for name in names()]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False)


@pytest.mark.parametrize("name", EACH)
def test_a_benchmark_runs_at_its_smallest_size(name: str):
    answer = run("--smallest", name)

    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "FAIL" not in answer.stdout


@pytest.mark.parametrize("name", names())
def test_a_benchmark_that_judges_ends_with_its_verdict(name: str):
    source = (ROOT / "benchmarks" / f"{name}.py").read_text(encoding="utf-8")

    judges = "judged(" in source or "timed(" in source
    assert not judges or "sys.exit(main())" in source or "raise SystemExit(" in source
    assert "'FAIL'" not in source


def test_a_benchmark_fails_where_a_limit_does_not_hold():
    program = "import sys; from benchmarks import tokens; tokens.CORE_LIMIT = 1; sys.exit(tokens.main())"
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False
    )

    assert answer.returncode == 1
    assert "FAIL  core" in answer.stdout


def test_a_benchmark_is_run_by_its_name():
    answer = run("tokens")

    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith("== tokens\n")


def test_help_names_the_benchmarks_and_not_what_they_share():
    answer = run("--help")

    assert answer.returncode == 0
    assert "archive, calls" in answer.stdout
    assert "corpus" not in answer.stdout


def test_an_unknown_benchmark_is_refused_with_those_that_there_are():
    answer = run("nonsense")

    assert (answer.returncode, answer.stdout) == (2, "")
    assert "'nonsense'" in answer.stderr
    assert "tokens" in answer.stderr
