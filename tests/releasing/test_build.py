"""What a release consists of, and that it is the same wherever and whenever it is built."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from release import build as archives
from release.build import IMAGE
from tests.releasing.checkout import EPOCH, VERSION, clone
from whatsapp_mcp.cli.installation import BUILD_INFO

NAME = "mcp-server-whatsapp"
WHEEL = f"mcp_server_whatsapp-{VERSION}-py3-none-any.whl"
SDIST = f"mcp_server_whatsapp-{VERSION}.tar.gz"


def rehearse(checkout: Path, umask: str, **environment: str) -> dict[str, bytes]:
    """Run the command in a checkout, as a person does, and read what it wrote."""
    script = f"umask {umask} && exec {sys.executable} -m release {VERSION}"
    subprocess.run(
        ["/bin/sh", "-c", script],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout), **environment},
        check=True,
        capture_output=True,
        timeout=300,
    )
    return {path.name: path.read_bytes() for path in (checkout / "dist").iterdir()}


@pytest.mark.skipif(os.name == "nt", reason="umask is of POSIX")
def test_two_builds_of_one_commit_are_equal_byte_for_byte(tmp_path: Path) -> None:
    one = clone(tmp_path / "here")
    other = clone(tmp_path / "somewhere" / "else")
    for path in other.rglob("*.py"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    first = rehearse(one, "022", TZ="Asia/Tokyo", PYTHONHASHSEED="1")
    second = rehearse(other, "077", TZ="America/Lima", PYTHONHASHSEED="2", LC_ALL="C")
    assert {name for name in first if first[name] != second.get(name)} == set()
    assert first.keys() == second.keys()


def test_a_release_has_every_file_and_the_digest_of_each(published: dict[str, bytes]) -> None:
    assert set(published) == {
        WHEEL,
        SDIST,
        f"{NAME}-{VERSION}.mcpb",
        f"{NAME}-{VERSION}-claude-code-plugin.zip",
        f"{NAME}-{VERSION}-image.tar.gz",
        "server.json",
        "NOTES.md",
        "SHA256SUMS",
    }
    lines = [line.split("  ") for line in published["SHA256SUMS"].decode().splitlines()]
    told = {name: digest for digest, name in lines}
    made = {name: sha256(content).hexdigest() for name, content in published.items() if name != "SHA256SUMS"}
    assert told == made


def test_wheel_and_source_archive_are_stamped(published: dict[str, bytes]) -> None:
    with zipfile.ZipFile(io.BytesIO(published[WHEEL])) as wheel:
        info = json.loads(wheel.read(f"whatsapp_mcp/cli/{BUILD_INFO}"))
    assert (info["released"], info["library"].count("."), len(info["commit"])) == ("2026-09-21", 2, 40)
    with tarfile.open(fileobj=io.BytesIO(published[SDIST])) as sdist:
        names = sdist.getnames()
        assert {member.mtime for member in sdist.getmembers()} == {EPOCH}
    assert f"{SDIST.removesuffix('.tar.gz')}/whatsapp_mcp/cli/{BUILD_INFO}" in names


def test_the_long_description_names_the_registry_entry_that_it_belongs_to(
    published: dict[str, bytes],
) -> None:
    with zipfile.ZipFile(io.BytesIO(published[WHEEL])) as wheel:
        [metadata] = [name for name in wheel.namelist() if name.endswith("/METADATA")]
        text = wheel.read(metadata).decode()
    assert f"<!-- mcp-name: {json.loads(published['server.json'])['name']} -->" in text


def test_the_notes_are_the_section_of_the_changelog(published: dict[str, bytes]) -> None:
    assert published["NOTES.md"].decode().startswith("### Added\n\n* An MCP server")


def test_the_image_context_has_all_that_the_dockerfile_copies(published: dict[str, bytes]) -> None:
    with tarfile.open(fileobj=io.BytesIO(published[f"{NAME}-{VERSION}-image.tar.gz"])) as context:
        names = set(context.getnames())
    assert {*IMAGE, "requirements/runtime.txt", "requirements/fleet.txt", "requirements/build.txt"} <= names
    assert "whatsapp_mcp/__main__.py" in names
    assert f"whatsapp_mcp/cli/{BUILD_INFO}" in names


def test_archives_are_sorted_and_without_a_user(tmp_path: Path) -> None:
    files = {"b.txt": b"b", "a/c.txt": b"c"}
    with zipfile.ZipFile(io.BytesIO(archives.zipped(files, 0))) as made:
        assert [(one.filename, one.date_time[0], one.external_attr >> 16) for one in made.infolist()] == [
            ("a/c.txt", 1980, 0o100644),
            ("b.txt", 1980, 0o100644),
        ]
    with tarfile.open(fileobj=io.BytesIO(archives.tarred(files, 7))) as packed:
        assert [(one.name, one.mtime, one.uid, one.uname) for one in packed] == [
            ("a/c.txt", 7, 0, ""),
            ("b.txt", 7, 0, ""),
        ]
