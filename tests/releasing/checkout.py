"""A checkout of what git tracks here, with a history of one commit and a changelog ready for a release."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from release.build import export
from release.checks import git

ROOT = Path(__file__).parents[2]
VERSION = "0.1.0"
EPOCH = 1_790_000_000
SECTION = f"## {VERSION} - 2026-09-21"


def clone(target: Path, *, repository: str | None = None) -> Path:
    """Make a checkout of the files as they are here.

    Args:
        target: Where.
        repository: The address that its `[project.urls]` names.
    """
    export(ROOT, target)
    log = target / "CHANGELOG.md"
    text = log.read_text(encoding="utf-8")
    log.write_text(text.replace("## Unreleased\n", f"## Unreleased\n\n{SECTION}\n", 1), encoding="utf-8")
    if repository is not None:
        settings = target / "pyproject.toml"
        added = f'[project.urls]\nRepository = "{repository}"\n\n[project.scripts]'
        text = settings.read_text(encoding="utf-8")
        settings.write_text(text.replace("[project.scripts]", added, 1), encoding="utf-8")
    (target / "tests" / "upgrading" / f"{VERSION}.tar.xz").touch()
    git(target, "init", "--quiet")
    commit(target)
    return target


def commit(checkout: Path) -> None:
    """Commit everything in a checkout, at a fixed time and by nobody in particular."""
    moment = f"{EPOCH} +0000"
    person = {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in {"NAME": "A", "EMAIL": "a@example.org", "DATE": moment}.items()
    }
    for arguments in (["add", "--all"], ["commit", "--quiet", "--message", "All of it"]):
        subprocess.run(
            ["git", *arguments], cwd=checkout, env={**os.environ, **person}, check=True, timeout=60
        )
