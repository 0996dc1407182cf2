"""The benchmark of webhooks runs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from benchmarks.verdicts import SMALLEST


@pytest.mark.bench
def test_it_runs_at_its_smallest_size() -> None:
    command = [sys.executable, "-m", "tests.features.webhooks.benchmark"]
    environment = {**os.environ, SMALLEST: "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert (done.returncode, "FAIL" in done.stdout) == (0, False), done.stdout + done.stderr
