"""Builds what a release publishes, from one tree, so that the same commit always gives the same bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Final

from release import changelog
from release.archives import tarred, zipped
from release.bundle import bundle_files, bundle_name
from release.checks import Repository
from release.offered import core_tools, skills
from release.plugin import plugin_files
from release.project import Project
from release.registry import server_json
from release.source import export, stamp

IMAGE: Final = ("Dockerfile", "compose.yaml", ".dockerignore", "LICENSE", "README.md", "pyproject.toml")
"""Files that the image is built from, beside the package and its lock files."""
SUMS: Final = "SHA256SUMS"
_BUILD_LIMIT: Final = 300.0
_ABOUT: Final = """\
Reads, searches and sends your WhatsApp messages. The server runs on this computer as a linked device of your
phone, and keeps its archive here. It is an unofficial client: WhatsApp may limit or ban an account that uses
one.

After installing, ask: *link my WhatsApp*. A card shows the code that your phone scans.
"""


def build(root: Path, project: Project, found: Repository) -> dict[str, bytes]:
    """Every file of a release, by name.

    Args:
        root: The checkout; what git tracks there is built as it is.
        project: What is released, with its version.
        found: The commit to name and to take the time from.

    Raises:
        CalledProcessError: A package could not be built; its output was shown.
    """
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        tree, packages = Path(folder, "tree"), Path(folder, "packages")
        export(root, tree)
        stamp(tree, project, found.commit, found.time)
        _packages(tree, packages, found.time)
        made = {path.name: path.read_bytes() for path in packages.iterdir()}
        made[f"{project.name}-{project.version}-image.tar.gz"] = tarred(_image_files(tree), found.time)
        pins = (tree / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    [wheel] = [name for name in made if name.endswith(".whl")]
    bundle = zipped(bundle_files(project, (wheel, made[wheel]), pins, core_tools(), _ABOUT), found.time)
    plugin = zipped(plugin_files(project, skills()), found.time)
    log = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    made |= {bundle_name(project): bundle, f"{project.name}-{project.version}-claude-code-plugin.zip": plugin}
    made["server.json"] = _entry(project, bundle)
    made["NOTES.md"] = f"{changelog.notes(log, project.version) or ''}\n".encode()
    made[SUMS] = sums(made).encode()
    return made


def with_version(project: Project, version: str) -> Project:
    """The project as it will be with that version."""
    return replace(project, version=version)


def sums(files: dict[str, bytes]) -> str:
    """The SHA-256 of each file, in the form of `sha256sum`."""
    return "".join(f"{_digest(content)}  {name}\n" for name, content in sorted(files.items()))


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def _entry(project: Project, bundle: bytes) -> bytes:
    entry = server_json(project, bundle_name(project), _digest(bundle))
    return (json.dumps(entry, indent=2) + "\n").encode()


def _packages(tree: Path, target: Path, epoch: int) -> None:
    """Build wheel and source archive; the builder takes all times from SOURCE_DATE_EPOCH."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", str(target)],
        cwd=tree,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)},
        stdout=sys.stderr,
        check=True,
        timeout=_BUILD_LIMIT,
    )


def _image_files(tree: Path) -> dict[str, bytes]:
    folders = (tree / name for name in ("whatsapp_mcp", "whatsapp_simulator"))
    package = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    locks = [tree / "requirements" / name for name in ("runtime.txt", "fleet.txt", "build.txt")]
    paths = [*(tree / name for name in IMAGE), *locks, *package]
    return {path.relative_to(tree).as_posix(): path.read_bytes() for path in paths}
