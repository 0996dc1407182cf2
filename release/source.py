"""The tree that is built: what git tracks, with the version and what a release is stamped with."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from release.checks import git
from release.project import Project, set_version
from release.registry import server_name
from whatsapp_mcp.cli.build_info import FILE, library_date


def export(root: Path, target: Path) -> None:
    """Copy every file of a checkout that git tracks, as it is now."""
    for name in git(root, "ls-files", "-z").split("\0"):
        if name and (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, target / name)
            (target / name).chmod(0o755 if (root / name).stat().st_mode & 0o100 else 0o644)


def stamp(tree: Path, project: Project, commit: str, epoch: int) -> None:
    """Write into an exported tree what only a release knows.

    Args:
        tree: The exported tree.
        project: What is released, with the version to write.
        commit: The commit it is made from.
        epoch: The commit's time, in seconds since 1970.
    """
    set_version(tree, project.version)
    info = {
        "commit": commit,
        "released": datetime.fromtimestamp(epoch, UTC).date().isoformat(),
        "library": metadata.version("neonize"),
        "library_date": _day(),
    }
    (tree / "whatsapp_mcp" / "cli" / FILE).write_text(json.dumps(info, indent=2) + "\n", encoding="utf-8")
    if project.repository is not None:
        # How the registry knows that the package belongs to the entry.
        with (tree / "README.md").open("a", encoding="utf-8") as readme:
            readme.write(f"\n<!-- mcp-name: {server_name(project)} -->\n")


def _day() -> str | None:
    built = library_date()
    return built.isoformat() if built else None
