"""A folder with a stranger's modules, as a person may have downloaded or cloned one."""

from __future__ import annotations

from pathlib import Path

MODULES = ("anyio", "magic", "neonize", "pylibmagic", "rich", "sitecustomize", "tomllib", "typer")
"""What the commands import sooner or later, in the program itself or in a child process."""


def planted(folder: Path) -> Path:
    """Make the folder; each of its modules leaves a file `NAME.ran` in it when it is run."""
    folder.mkdir()
    for name in MODULES:
        code = f"import pathlib; pathlib.Path({str(folder)!r}, {name!r} + '.ran').touch()\n"
        (folder / f"{name}.py").write_text(code, encoding="utf-8")
    return folder


def ran(folder: Path) -> list[str]:
    """Names of the marks that modules of the folder have left."""
    return sorted(path.name for path in folder.glob("*.ran"))
