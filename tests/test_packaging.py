"""What is declared, locked and shipped is what is used."""

import ast
import json
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.tables import for_each
from whatsapp_mcp import __version__

ROOT = Path(__file__).parent.parent
PACKAGES = ("whatsapp_fleet", "whatsapp_mcp", "whatsapp_simulator")
LOCKS = [
    ROOT / "requirements" / f"{name}.txt" for name in ("runtime", "build", "audit", "demo", "dev", "hosts")
]


NOT_SHIPPED = {"whatsapp_simulator/__main__.py", "whatsapp_simulator/control.py"}
"""The control of the simulated WhatsApp from other processes, which the demo does not need."""
DEMO_LOADS = "import sys, whatsapp_simulator.scenario; print(*sys.modules)"
IN_THE_CLIENT = {"whatsapp_simulator.launch.sitecustomize"}
"""What the client process of a demo runs at its start."""


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def imported_modules() -> Iterator[str]:
    """The first name of every module that the package imports."""
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.split(".")[0]


def imported_distributions() -> list[set[str]]:
    """For each imported module the packages that may bring it; a namespace like `google` has several."""
    owners = metadata.packages_distributions()
    modules = set(imported_modules()) - sys.stdlib_module_names - {*PACKAGES}
    return [{canonicalize_name(owner) for owner in owners.get(module, [module])} for module in modules]


def declared() -> set[str]:
    """What the package needs, its extras included."""
    extras = project()["project"]["optional-dependencies"].values()
    return names(project()["project"]["dependencies"] + [text for texts in extras for text in texts])


RAN_ON = {
    "Operating System :: POSIX :: Linux",
    "Programming Language :: Python :: 3",
    *(f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13)),
}
"""What tests have been run on. More is added here once they have."""


def test_the_package_claims_no_system_and_no_python_on_which_it_has_not_run():
    claims = {
        each
        for each in project()["project"]["classifiers"]
        if each.startswith(("Operating System", "Programming Language"))
    }
    assert claims == RAN_ON


NOT_OF_THE_CORE = {"iphone-backup-decrypt", "obstore", "prometheus-client", "psycopg", "ruamel-yaml"}
"""What features and the fleet alone import: it is still declared where one is left out."""


def test_every_declared_dependency_is_imported():
    assert declared() - NOT_OF_THE_CORE - set[str]().union(*imported_distributions()) == set()


def test_every_imported_package_is_declared():
    assert [owners for owners in imported_distributions() if not owners & declared()] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_every_locked_package_has_hashes_and_no_address(lock: Path):
    entries = lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()

    assert entries
    assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []
    assert "://" not in lock.read_text(encoding="utf-8")


@for_each("lock", [lock for lock in LOCKS if lock.stem not in {"audit", "build"}])
def test_every_declared_dependency_is_locked(lock: Path):
    locked = {line.split("==")[0] for line in lock.read_text(encoding="utf-8").splitlines() if "==" in line}

    assert names(project()["project"]["dependencies"]) - locked == set()


@pytest.mark.parametrize(
    "groups", [("build",), ("build", "dev"), ("build", "dev", "hosts")], ids=lambda groups: groups[-1]
)
def test_what_development_needs_is_locked(groups: tuple[str, ...]):
    needed = project()["dependency-groups"]
    wanted = names([each for group in groups for each in needed[group] if isinstance(each, str)])
    lock = (ROOT / "requirements" / f"{groups[-1]}.txt").read_text(encoding="utf-8")

    assert wanted | (declared() if len(groups) > 1 else set()) <= {
        line.split("==")[0] for line in lock.splitlines() if "==" in line
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    [built] = folder.glob("*.whl")
    return built


def test_a_wheel_carries_the_package_with_its_data_and_nothing_else(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if ".dist-info/" not in name}
    tracked = subprocess.run(
        ["git", "ls-files", *PACKAGES], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert set(tracked) - shipped == NOT_SHIPPED
    assert {name for name in shipped if name.partition("/")[0] not in PACKAGES} == set()


def test_of_the_simulator_a_wheel_carries_what_the_demo_loads(wheel: Path):
    printed = subprocess.run(
        [sys.executable, "-c", DEMO_LOADS], check=True, capture_output=True, text=True, timeout=60
    )
    loaded = {name for name in printed.stdout.split() if name.startswith("whatsapp_simulator.")}
    with zipfile.ZipFile(wheel) as archive:
        shipped = {
            name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            for name in archive.namelist()
            if name.startswith("whatsapp_simulator/") and name.endswith(".py")
        } - {"whatsapp_simulator"}

    assert shipped - loaded == IN_THE_CLIENT


def test_the_long_description_links_only_to_what_is_there(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        text = archive.read(name).decode()
    headings = {
        re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-"))
        for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }

    links = re.findall(r"\]\(([^)]+)\)", text)

    assert "# whatsapp-mcp" in text
    assert "docs/troubleshooting.md" in text
    assert [link for link in links if not link.startswith("https://") and link[1:] not in headings] == []


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of a fresh environment with the wheel, which borrows its dependencies here."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    paths = sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)})
    bin_folder = Path(paths["scripts"])
    install = [bin_folder / "python", "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel]
    subprocess.run(install, check=True, timeout=120)
    (Path(paths["purelib"]) / "borrowed.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return bin_folder


def clean(home: Path) -> dict[str, str]:
    """The variables of somebody who has never heard of this checkout."""
    return {"PATH": os.defpath, "HOME": str(home), "XDG_DATA_HOME": str(home / "data")}


@pytest.mark.parametrize("name", ["whatsapp-mcp", "mcp-server-whatsapp"])
def test_both_commands_of_the_wheel_start(scripts: Path, name: str, tmp_path: Path):
    done = subprocess.run(
        [scripts / name, "--version"],
        cwd=tmp_path,
        env=clean(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout == f"whatsapp-mcp {__version__}\n"


def test_what_client_config_prints_starts_a_server_in_a_clean_environment(scripts: Path, tmp_path: Path):
    printed = subprocess.run(
        [scripts / "whatsapp-mcp", "client-config", "claude-desktop"],
        cwd=tmp_path,
        env=clean(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    entry = json.loads(printed.stdout)["mcpServers"]["whatsapp"]
    assert entry == {"command": str(scripts / "whatsapp-mcp"), "args": []}
    initialize = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    served = subprocess.run(
        [entry["command"], *entry["args"]],
        cwd=tmp_path,
        env=clean(tmp_path),
        input=json.dumps(initialize) + "\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(served.stdout.splitlines()[0])["result"]["serverInfo"]["version"] == __version__
