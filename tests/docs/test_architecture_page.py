"""The page about how it is built."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.verdicts import SMALLEST
from tests.docs import modules_page

PAGE = modules_page.ROOT / "docs" / "architecture.md"
LIMIT = 300
WALKS = {"A message in": "incoming message", "A send out": "send_message"}
"""The walks of the page by their headings, as `benchmarks walks` calls them."""
ELSEWHERE = {
    "device/files/fetcher.py:Fetcher.fetch": "the message of the walk has no file",
    "device/leader/remote.py:RemoteDevice": "the server of the walk leads",
    "device/outbox/deliveries.py:Deliveries.deliver": "a send that can go out at once is made before",
}
"""Steps that only some messages and sends take."""


def names_in(module: Path) -> set[str]:
    """Functions and classes of a module, methods as `Class.method`, and what it assigns."""
    found: set[str] = set()
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}.{each.name}"
                for each in node.body
                if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
            }
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
    return found


def named(heading: str) -> list[tuple[str, str]]:
    """The functions and classes, with their modules, that a walk of the page names."""
    text = PAGE.read_text(encoding="utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"`([a-z_/]+\.py):([\w.]+)`", section)


@pytest.fixture(scope="module")
def walked() -> dict[str, set[str]]:
    """What runs in each walk: `module:qualified name`."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.walks", "--names"],
        cwd=modules_page.ROOT, capture_output=True, text=True, timeout=LIMIT, check=False,
        env={**os.environ, SMALLEST: "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    walks: dict[str, set[str]] = {}
    ran = set[str]()
    for line in done.stdout.splitlines():
        if not line.startswith(" "):
            ran = walks[re.split(r" {2,}", line)[0]] = set()
        else:
            module, _, functions = line.strip().partition(": ")
            ran |= {f"{module}:{each}" for each in functions.split(", ")}
    return walks


def test_the_walks_name_what_there_is() -> None:
    steps = [step for heading in WALKS for step in named(heading)]
    assert steps
    assert [
        (module, name) for module, name in steps if name not in names_in(modules_page.PACKAGE / module)
    ] == []


@pytest.mark.parametrize("heading", WALKS)
def test_what_a_walk_names_runs_in_it(heading: str, walked: dict[str, set[str]]) -> None:
    ran = walked[WALKS[heading]]
    steps = {f"{module}:{name}" for module, name in named(heading)} - ELSEWHERE.keys()
    assert {step for step in steps if not any(f"{each}.".startswith(f"{step}.") for each in ran)} == set()


def test_what_only_some_take_is_named_in_a_walk() -> None:
    steps = {f"{module}:{name}" for heading in WALKS for module, name in named(heading)}
    assert ELSEWHERE.keys() <= steps
