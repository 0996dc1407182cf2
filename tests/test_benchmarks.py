"""`python -m benchmarks`, which `make bench` runs."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(*names: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *names]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


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
