"""Where the program comes from, and what starts it again."""

from __future__ import annotations

import importlib.util
import json
import sys
import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from whatsapp_mcp.cli import installation
from whatsapp_mcp.cli.doctor import Finding, program
from whatsapp_mcp.cli.installation import DISTRIBUTION, EXTRAS, SCRIPTS, adding, command, requirement

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_distribution_scripts_and_extras_are_those_of_the_project():
    assert PROJECT["name"] == DISTRIBUTION
    ours = {name for name, target in PROJECT["scripts"].items() if target.startswith("whatsapp_mcp.")}
    assert ours == {*SCRIPTS}
    assert set(PROJECT["optional-dependencies"]) == set(EXTRAS)


Install = Callable[..., None]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Install:
    """Pretends that a distribution was installed: from a source (PEP 610), and with these files."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(name: str, source: object = None, files: str = "") -> None:
        info = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "RECORD").write_text(files)
        if source is not None:
            (info / "direct_url.json").write_text(json.dumps(source))

    return install


@pytest.fixture
def extras(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The modules of extras that can be imported; none at first."""
    modules: set[str] = set()
    find = importlib.util.find_spec

    def found(name: str) -> object:
        return find(name) if name not in EXTRAS.values() or name in modules else None

    monkeypatch.setattr(importlib.util, "find_spec", found)
    return modules


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (None, DISTRIBUTION),
        ({"url": "file:///a/x.whl", "archive_info": {}}, f"{DISTRIBUTION} @ file:///a/x.whl"),
        ({"url": "file:///a/checkout", "dir_info": {}}, f"{DISTRIBUTION} @ file:///a/checkout"),
        (
            {"url": "https://host.example/x", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            f"{DISTRIBUTION} @ git+https://host.example/x@abc",
        ),
        (
            {"url": "file:///a/checkout", "dir_info": {}, "subdirectory": "python"},
            f"{DISTRIBUTION} @ file:///a/checkout#subdirectory=python",
        ),
    ],
    ids=["index", "wheel", "folder", "repository", "subfolder"],
)
def test_the_requirement_names_what_it_was_installed_from(
    installed: Install, extras: set[str], source: object, expected: str
):
    installed(DISTRIBUTION, source)

    assert requirement() == expected


def test_the_requirement_keeps_the_extras(installed: Install, extras: set[str]):
    installed(DISTRIBUTION, {"url": "file:///a/x.whl", "archive_info": {}})
    extras |= {"av", "nacl"}

    assert requirement() == f"{DISTRIBUTION}[demo,media] @ file:///a/x.whl"


@pytest.mark.parametrize(
    ("left", "installer"),
    [
        ("uv-receipt.toml", "uv tool install --force"),
        ("pipx_metadata.json", "pipx install --force"),
        ("pyvenv.cfg", "pip install"),
    ],
)
def test_an_extra_is_added_by_the_installer_in_use(
    installed: Install,
    extras: set[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    left: str,
    installer: str,
):
    installed(DISTRIBUTION, {"url": "file:///a/checkout", "dir_info": {}})
    extras |= {"av"}
    (tmp_path / left).touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))

    assert adding("demo") == f"{installer} '{DISTRIBUTION}[demo,media] @ file:///a/checkout'"


@pytest.fixture
def uv_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of a `uvx` that runs this installation out of its cache."""
    monkeypatch.setattr(sys, "prefix", "/home/me/.cache/uv/archive-v0/abc")
    uvx = tmp_path / "bin" / "uvx"
    uvx.parent.mkdir()
    uvx.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(uvx.parent))
    return uvx


def test_run_by_uvx_it_is_started_by_uvx_and_not_from_a_folder_of_its_cache(
    uv_cache: Path, installed: Install, extras: set[str]
):
    installed(DISTRIBUTION)

    assert command() == (str(uv_cache), DISTRIBUTION)


def test_run_by_uvx_from_a_file_it_is_started_from_that_file(
    uv_cache: Path, installed: Install, extras: set[str]
):
    installed(DISTRIBUTION, {"url": "file:///a/x.whl", "archive_info": {}})

    assert command() == (str(uv_cache), "--from", f"{DISTRIBUTION} @ file:///a/x.whl", "whatsapp-mcp")


def test_a_uvx_that_is_not_on_the_path_is_found_beside_the_uv_that_runs_it(
    uv_cache: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("UV", str(uv_cache.with_name("uv")))

    assert command()[0] == str(uv_cache)


def test_a_script_that_was_started_by_a_link_is_started_by_that_link(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    link = tmp_path / DISTRIBUTION
    link.touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", [str(link)])

    assert command() == (str(link),)


def test_without_a_script_it_is_started_by_this_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(installation.sysconfig, "get_path", lambda _name: str(tmp_path))  # pyright: ignore[reportUnknownLambdaType]

    assert command() == (sys.executable, "-P", "-m", "whatsapp_mcp")


def found_by_doctor() -> Finding:
    return program.installation()


def test_files_of_another_distribution_are_told_with_its_name(
    installed: Install, monkeypatch: pytest.MonkeyPatch
):
    installed("whatsapp-mcp", files="whatsapp_mcp/__init__.py,,\nwhatsapp_mcp/server.py,,\n")

    found = found_by_doctor()

    assert not found.ok
    assert found.detail.endswith("has files of another project, whatsapp-mcp")
    assert "Uninstall whatsapp-mcp" in (found.action or "")


def test_files_that_nothing_installed_are_told(monkeypatch: pytest.MonkeyPatch):
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)

    found = found_by_doctor()

    assert (found.ok, f"was not installed by {DISTRIBUTION}" in found.detail) == (False, True)


def test_our_own_files_are_in_order(installed: Install, monkeypatch: pytest.MonkeyPatch):
    installed(DISTRIBUTION, files="whatsapp_mcp/__init__.py,,\n")

    assert found_by_doctor().ok
