"""The page of all modules."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.docs import modules_page

ROOMS = [*modules_page.rooms()]
MOST_MODULES = 16
"""In one room, beside its face: then it gets rooms of its own."""
LARGE = {"simulator"}
"""The simulator stays one room."""


@cache
def rendered() -> str:
    """The page as the modules are; it takes a second."""
    return modules_page.render()


def test_the_page_says_what_each_module_says_of_itself() -> None:
    written = modules_page.PAGE.read_text(encoding="utf-8")
    assert written == rendered(), "run python -m tests.docs.modules_page"


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.relative_to(modules_page.ROOT).as_posix())
def test_a_room_says_what_it_is_and_can_be_looked_over(room: Path) -> None:
    assert rendered().count(f"## `{room.relative_to(modules_page.ROOT).as_posix()}/`\n\n\n") == 0
    if room.name not in LARGE:
        assert len([*room.glob("*.py")]) - 1 <= MOST_MODULES


NAMED = re.findall(
    r"`([a-z_/]+\.py):([\w.]+)`", (modules_page.ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
)


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


@pytest.mark.parametrize(("module", "name"), NAMED, ids=[f"{module}:{name}" for module, name in NAMED])
def test_the_walks_name_what_there_is(module: str, name: str) -> None:
    assert name in names_in(modules_page.PACKAGE / module)
