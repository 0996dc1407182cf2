"""The page about how it is built."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.docs import modules_page

PAGE = modules_page.ROOT / "docs" / "architecture.md"


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


def test_the_walks_name_what_there_is() -> None:
    named = re.findall(r"`([a-z_/]+\.py):([\w.]+)`", PAGE.read_text(encoding="utf-8"))
    assert named
    assert [
        (module, name) for module, name in named if name not in names_in(modules_page.PACKAGE / module)
    ] == []
