"""What is published installs, and runs where nothing else is.

`make test-install` runs these; they download packages. Each Python that is here is tried; uv and pipx are
installed for it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.docs.examples import examples
from tests.releasing.bare_machine import bare, possible
from tests.releasing.checkout import ROOT, VERSION

pytestmark = pytest.mark.install

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
WHEEL = f"mcp_server_whatsapp-{VERSION}-py3-none-any.whl"
SDIST = f"mcp_server_whatsapp-{VERSION}.tar.gz"
BUNDLE = f"mcp-server-whatsapp-{VERSION}.mcpb"
PAGE = ROOT / "docs" / "install.md"
TOOLS = ROOT / "requirements" / "tools.txt"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


def interpreter(version: str) -> str | None:
    """The Python of a version that is here, also one of pyenv's that is not on the path."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = [str(path) for path in sorted(root.glob(f"versions/{version}.*/bin/python{version}"))]
    return found[-1] if found else shutil.which(f"python{version}")


def ran(*command: str | Path, env: dict[str, str] | None = None, given: str | None = None) -> str:
    """What a command printed.

    Raises:
        AssertionError: It failed; the message is what it said.
    """
    done = subprocess.run(
        command, env=env, input=given, check=False, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def files(published: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the files of the release."""
    folder = tmp_path_factory.mktemp("dist")
    for name, content in published.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of commands with uv, uvx and pipx."""
    folder = tmp_path_factory.mktemp("tools")
    venv.create(folder, with_pip=True)
    ran(folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--require-hashes", "-r", TOOLS)
    return folder / "bin"


@pytest.fixture
def variables(tools: Path, tmp_path: Path) -> dict[str, str]:
    """The variables of somebody who has these tools and has installed nothing with them."""
    places = {"UV_TOOL_DIR": "uv", "UV_TOOL_BIN_DIR": "bin", "PIPX_HOME": "pipx", "PIPX_BIN_DIR": "bin"}
    own = {name: str(tmp_path / folder) for name, folder in places.items()}
    return {**os.environ, **own, "PATH": f"{tools}:{os.defpath}", "WHATSAPP_MCP_HOME": str(tmp_path / "home")}


def installed(version: str, folder: Path, *requirements: str | Path) -> Path:
    """A fresh environment of that Python with these requirements; only ready-made packages are taken."""
    python = interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} here")
    ran(python, "-m", "venv", folder)
    ran(folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--only-binary", ":all:", *requirements)
    return folder / "bin"


@pytest.mark.skipif(not possible(), reason="needs overlays in namespaces")
@pytest.mark.parametrize("version", PYTHONS)
def test_the_wheel_does_its_main_job_on_a_bare_machine(version: str, files: Path, tmp_path: Path) -> None:
    """Without libmagic, ffmpeg, compilers and network, from `doctor` to an answered message."""
    commands = installed(version, tmp_path / "environment", f"{files / WHEEL}[demo]")
    person = {**os.environ, "HOME": str(tmp_path)}
    doctor = ran(*bare([commands / "whatsapp-mcp", "doctor"]), env=person)
    assert "FAIL" not in doctor
    demo = ran(*bare([commands / "whatsapp-mcp", "demo", "--once"]), env=person)
    assert "Done: linked, read, sent once, answered." in demo


def test_the_size_is_the_one_that_the_documentation_states(files: Path, tmp_path: Path) -> None:
    commands = installed("3.13", tmp_path / "environment", files / WHEEL)
    ran(commands / "python", "-m", "pip", "uninstall", "--quiet", "--yes", "pip")
    [packages] = (tmp_path / "environment" / "lib").glob("python*/site-packages")
    sizes = {
        folder.name: sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
        for folder in packages.iterdir()
        if folder.is_dir()
    }
    rows = re.findall(r"^\| `?([\w ]+?)`? \| (\d+) MB \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    measured = {"everything": sum(sizes.values()), **sizes}
    assert len(rows) > 3
    for name, stated in rows:
        assert measured[name] == pytest.approx(int(stated), rel=0.1, abs=1), name


def test_the_source_archive_builds(files: Path, tmp_path: Path) -> None:
    python = interpreter("3.12") or sys.executable
    ran(python, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", tmp_path, files / SDIST)
    with zipfile.ZipFile(tmp_path / WHEEL) as built, zipfile.ZipFile(files / WHEEL) as wheel:
        assert built.namelist() == wheel.namelist()


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_the_line_that_a_page_begins_with_installs_a_checkout(
    page: str, variables: dict[str, str], tmp_path: Path
) -> None:
    line = next(one.body for one in examples(ROOT / page) if one.body.startswith("uv ")).splitlines()[0]
    checkout = tmp_path / "checkout"
    ran("git", "clone", "--quiet", "--depth", "1", ROOT.as_uri(), checkout)
    ran("bash", "-c", f"cd {checkout} && {line}", env=variables)
    told = ran(Path(variables["UV_TOOL_BIN_DIR"]) / "whatsapp-mcp", "--version", env=variables)
    assert told == f"whatsapp-mcp {VERSION}\n"


def test_uvx_runs_the_wheel(files: Path, variables: dict[str, str]) -> None:
    told = ran("uvx", "--from", files / WHEEL, "mcp-server-whatsapp", "--version", env=variables)
    assert told == f"whatsapp-mcp {VERSION}\n"


@pytest.mark.parametrize("tool", [("uv", "tool"), ("pipx",)], ids=" ".join)
def test_a_tool_installs_both_commands_and_removes_them(
    tool: tuple[str, ...], files: Path, variables: dict[str, str]
) -> None:
    ran(*tool, "install", files / WHEEL, env=variables)
    folder = Path(variables["UV_TOOL_BIN_DIR"])
    for name in ("whatsapp-mcp", "mcp-server-whatsapp"):
        assert ran(folder / name, "--version", env=variables) == f"whatsapp-mcp {VERSION}\n"
    ran(*tool, "uninstall", "mcp-server-whatsapp", env=variables)
    assert list(folder.iterdir()) == []


def test_the_bundle_starts_as_an_application_starts_it(
    files: Path, variables: dict[str, str], tmp_path: Path
) -> None:
    with zipfile.ZipFile(files / BUNDLE) as bundle:
        bundle.extractall(tmp_path / "bundle")
    manifest = json.loads((tmp_path / "bundle" / "manifest.json").read_text(encoding="utf-8"))
    config = manifest["server"]["mcp_config"]
    arguments = [part.replace("${__dirname}", str(tmp_path / "bundle")) for part in config["args"]]
    asked = json.dumps(INITIALIZE) + "\n"
    answer = ran(config["command"], *arguments, env=variables, given=asked)
    assert json.loads(answer.splitlines()[0])["result"]["serverInfo"]["version"] == VERSION
