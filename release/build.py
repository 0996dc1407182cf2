"""Builds what a release publishes, from one tree, so that the same commit always gives the same bytes."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Final

from release.checks import Project, Repository, git, notes, set_version
from release.offers import (
    bundle_files,
    bundle_name,
    core_tools,
    plugin_files,
    server_json,
    server_name,
    skills,
)
from whatsapp_mcp.cli.installation import BUILD_INFO, library_date

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
_FIRST_OF_ZIP: Final = 315532800
"""1980-01-01: a zip file knows no earlier time."""
_MODE: Final = 0o644


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
    made["NOTES.md"] = f"{notes(log, project.version) or ''}\n".encode()
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
    folders = (tree / name for name in ("whatsapp_fleet", "whatsapp_mcp", "whatsapp_simulator"))
    package = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    locks = [tree / "requirements" / name for name in ("runtime.txt", "fleet.txt", "build.txt")]
    paths = [*(tree / name for name in IMAGE), *locks, *package]
    return {path.relative_to(tree).as_posix(): path.read_bytes() for path in paths}


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
    (tree / "whatsapp_mcp" / "cli" / BUILD_INFO).write_text(
        json.dumps(info, indent=2) + "\n", encoding="utf-8"
    )
    if project.repository is not None:
        # How the registry knows that the package belongs to the entry.
        with (tree / "README.md").open("a", encoding="utf-8") as readme:
            readme.write(f"\n<!-- mcp-name: {server_name(project)} -->\n")


def _day() -> str | None:
    built = library_date()
    return built.isoformat() if built else None


def zipped(files: Mapping[str, bytes], epoch: int) -> bytes:
    """A zip file.

    Args:
        files: The contents by path.
        epoch: The time of every member, in seconds since 1970.
    """
    moment = time.gmtime(max(epoch, _FIRST_OF_ZIP))[:6]
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in sorted(files.items()):
            member = zipfile.ZipInfo(path, moment)
            member.create_system = 3  # Unix, wherever it is made
            member.external_attr = (0o100000 | _MODE) << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, content, compresslevel=9)
    return target.getvalue()


def tarred(files: Mapping[str, bytes], epoch: int) -> bytes:
    """A gzipped tar file; the arguments are those of `zipped`."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size, member.mtime, member.mode = len(content), epoch, _MODE
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), compresslevel=9, mtime=epoch)
