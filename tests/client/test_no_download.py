"""The client library's loader has no way to fetch another shared library."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.client.client_process import NOWHERE
from whatsapp_mcp.client.client_storage import ClientStorage
from whatsapp_mcp.client.protocol import EXIT_NO_LIBRARY
from whatsapp_mcp.processes.child_process import module_command

FETCHES = """
from pathlib import Path
Path(__file__).with_name("asked").touch()
__GONEONIZE_VERSION__ = "9.9.9"
def download():
    Path(__file__).with_name("fetched").touch()
"""


def neonize() -> Path:
    """Where the installed package is."""
    spec = find_spec("neonize")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@pytest.fixture(params=["another version", "no shared library"])
def other(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A neonize whose loader wants to fetch, and a `download.py` that notes when it is run."""
    copy = tmp_path / "other" / "neonize"
    shutil.copytree(neonize(), copy, ignore=shutil.ignore_patterns("*.so", "*.dll", "*.dylib", "__pycache__"))
    (copy / "download.py").write_text(FETCHES, encoding="utf-8")
    if request.param == "another version":
        for library in neonize().glob("neonize-*"):
            (copy / library.name).symlink_to(library)
    return copy


def run(program: tuple[str, ...], package: Path) -> subprocess.CompletedProcess[str]:
    """Run a program that finds this neonize first."""
    environment = {**os.environ, **NOWHERE, "PYTHONPATH": str(package.parent)}
    return subprocess.run(
        program, env=environment, input=ClientStorage().to_bytes().decode(), capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip


def test_the_check_of_the_library_refuses_and_fetches_nothing(other: Path) -> None:
    done = run(module_command("whatsapp_mcp.client.load"), other)
    assert done.returncode != 0
    assert "shared library" in done.stderr.splitlines()[-1]
    assert not (other / "asked").exists()
    assert not (other / "fetched").exists()


def test_a_client_refuses_and_fetches_nothing(other: Path, tmp_path: Path) -> None:
    arguments = ("--folder", str(tmp_path), "--generation", "1", "--device-name", "Test")
    done = run(module_command("whatsapp_mcp.client", *arguments), other)
    assert done.returncode == EXIT_NO_LIBRARY
    assert "shared library" in done.stderr
    assert not (other / "asked").exists()
    assert not (other / "fetched").exists()


def test_the_loader_itself_would_fetch(other: Path) -> None:
    run((sys.executable, "-c", "import neonize"), other)
    assert (other / "fetched").exists()
