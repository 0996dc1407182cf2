"""A copy of the last commit without one feature and without the fleet, which has to pass all checks.

`make without FEATURE=metrics` makes it, lints it and runs its tests. What is left out is what somebody would
delete who does not want the feature: its folder, its tests, its page, and the lines that name it where the
core lists features.
"""

from __future__ import annotations

import argparse
import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
FEATURES: Final = ROOT / "whatsapp_mcp" / "features"
PAGES: Final = {"imports": "importing"}
"""Pages that have another name than their feature."""
FLEET: Final = ("whatsapp_fleet", "tests/fleet", "docs/fleet")
OF_THE_FLEET: Final = re.compile(
    r""""(?:whatsapp_fleet|tests\.fleet)[\w.]*", |^whatsapp-mcp-fleet = .*\n|^COPY whatsapp_fleet .*\n""",
    re.MULTILINE,
)
"""A name of it in a list of packages, its program, and its line of the image."""
WEEKLY: Final = ".github/workflows/weekly.yml"
LINK: Final = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#\s:]+)(#[^)\s]+)?\)")
ROW: Final = re.compile(r"^\| \[[^\]]+\]\(([^)#]+)[^)]*\) \|")
ROW_OF_THE_FLEET: Final = re.compile(r"^\| `whatsapp_fleet/")
"""A row of a table about a folder of it."""
MADE: Final = ("tests.docs.tools_page", "tests.server.test_schemas")
"""Modules that write files from what the tools are."""


def features() -> list[str]:
    """The names of the features."""
    return sorted(folder.name for folder in FEATURES.iterdir() if (folder / "__init__.py").exists())


def copy_without(feature: str, destination: Path) -> None:
    """Make the copy.

    Args:
        feature: The name of what is left out.
        destination: Where the copy is made; what lies there is deleted.
    """
    shutil.rmtree(destination, ignore_errors=True)
    _run("git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(destination), cwd=ROOT)
    page = f"docs/{PAGES.get(feature, feature)}.md"
    for name in (*FLEET, f"whatsapp_mcp/features/{feature}", f"tests/features/{feature}", page):
        _delete(destination / name)
    for path in sorted((destination / "benchmarks").rglob("*.py")):
        _delete_benchmark_of(feature, path)
    for path in sorted((destination / "whatsapp_mcp").rglob("*.py")):
        path.write_text(left_out(path.read_text(encoding="utf-8"), feature), encoding="utf-8")
    for path in (
        destination / "pyproject.toml",
        destination / "Dockerfile",
        *sorted((destination / "tests").glob("*.py")),
    ):
        text = path.read_text(encoding="utf-8")
        path.write_text(OF_THE_FLEET.sub("", text), encoding="utf-8")
    weekly = destination / WEEKLY
    listed = weekly.read_text(encoding="utf-8")
    others = ", ".join(name for name in features() if name != feature)
    weekly.write_text(re.sub(r"(?<= feature: \[).*(?=\])", others, listed), encoding="utf-8")
    for path in sorted(destination.rglob("*.md")):
        _leave_out_links(path)
    _run("ruff", "check", "--fix", "--exit-zero", "--quiet", ".", cwd=destination)
    _run("ruff", "format", "--quiet", ".", cwd=destination)
    for module in MADE:
        _run("python", "-m", module, cwd=destination)
    _run("git", "add", "--all", cwd=destination)
    _run("git", "-c", "user.name=copy", "-c", "user.email=copy@localhost", "commit", "--quiet", "--message",
         f"Leave out {feature} and the fleet", cwd=destination)  # fmt: skip


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _delete_benchmark_of(feature: str, path: Path) -> None:
    """Delete a benchmark of the feature, or of the fleet."""
    users = rf"^from (?:whatsapp_fleet|tests\.fleet|(?:whatsapp_mcp|tests)\.features\.{feature})\b"
    if re.search(users, path.read_text(encoding="utf-8"), re.MULTILINE):
        path.unlink()


def left_out(text: str, feature: str) -> str:
    """A module that lists features, without the imports of one and the lines that use what they import."""
    room = f"whatsapp_mcp.features.{feature}."
    gone: set[int] = set()
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(room):
            gone.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
            names.update(alias.asname or alias.name for alias in node.names)
    if not names:
        return text
    used = re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(names)))})\b")
    lines = text.splitlines(keepends=True)
    return "".join(
        line for number, line in enumerate(lines, 1) if number not in gone and not used.search(line)
    )


def _leave_out_links(path: Path) -> None:
    """Leave of a link to a deleted page its text, and nothing of a row of a table about such a page."""
    text = path.read_text(encoding="utf-8")

    def leads_nowhere(target: str) -> bool:
        return not (path.parent / target).exists()

    def unlinked(link: re.Match[str]) -> str:
        return link[1] if leads_nowhere(link[2]) else link[0]

    lines = text.splitlines(keepends=True)
    kept = (
        line
        for line in lines
        if not ((row := ROW.match(line)) and leads_nowhere(row[1])) and not ROW_OF_THE_FLEET.match(line)
    )
    path.write_text("".join(LINK.sub(unlinked, line) for line in kept), encoding="utf-8")


def _run(program: str, *arguments: str, cwd: Path) -> None:
    """Run a program; `python` and `ruff` are those of this environment, on the modules of the folder."""
    beside = Path(sys.executable).with_name(program)
    command = str(beside) if beside.exists() else program
    subprocess.run([command, *arguments], cwd=cwd, check=True, timeout=300)


def main(arguments: Iterable[str]) -> None:
    """Make a copy: `FEATURE DESTINATION`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("feature", choices=features())
    parser.add_argument("destination", type=Path)
    given = parser.parse_args([*arguments])
    copy_without(given.feature, given.destination)


if __name__ == "__main__":
    main(sys.argv[1:])
