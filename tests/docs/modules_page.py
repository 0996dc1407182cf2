"""The page of the site that has every module in one line."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "whatsapp_mcp"
PACKAGES = (PACKAGE, *sorted(face.parent for face in ROOT.glob("whatsapp_[!m]*/__init__.py")))
_HEAD = """# Every module in one line

The first sentence of each module, room by room. [architecture.md](architecture.md) says how the rooms
work together.
"""


def _first_sentence(module: Path) -> str:
    """What a module says of itself; empty where it says nothing."""
    words = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    first = " ".join(words.partition("\n\n")[0].split())
    return re.split(r"(?<=[.!?])\s(?=[A-Z`])", first)[0].replace("|", r"\|")


def rooms() -> Iterator[Path]:
    """The folders of the packages, each before those in it."""
    for package in PACKAGES:
        yield from sorted(face.parent for face in package.rglob("__init__.py"))


def render() -> str:
    """The page."""
    parts = [_HEAD]
    for room in rooms():
        modules = sorted(one for one in room.glob("*.py") if one.name != "__init__.py")
        parts.append(
            f"\n## `{room.relative_to(ROOT).as_posix()}/`\n\n{_first_sentence(room / '__init__.py')}\n"
        )
        if modules:
            lines = [f"| `{one.name}` | {_first_sentence(one)} |\n" for one in modules]
            parts.append("\n| module | |\n| --- | --- |\n" + "".join(lines))
    return "".join(parts)
