"""Run the named benchmarks, by default all, each in its own process: every module here that has a `main`."""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.verdicts import SMALLEST

_HAS_MAIN = re.compile(r"^(async )?def main\(", re.MULTILINE)


def names() -> list[str]:
    """The names of all benchmarks; none is imported for it, which would take seconds."""
    modules = [path for path in Path(__file__).parent.glob("*.py") if path.stem != "__main__"]
    return sorted(path.stem for path in modules if _HAS_MAIN.search(path.read_text(encoding="utf-8")))


def main() -> int:
    """Run them one after the other; return 1 if one failed."""
    there = names()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(there))
    parser.add_argument(
        "--smallest", action="store_true", help="only see that they run: times are not judged"
    )
    given = parser.parse_args()
    wanted = given.names or there
    if unknown := [name for name in wanted if name not in there]:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(there)}")
    environment = {**os.environ, **({SMALLEST: "1"} if given.smallest else {})}
    failed: list[str] = []
    for name in wanted:
        print(f"== {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}"]
        if subprocess.run(command, env=environment, check=False).returncode:
            failed.append(name)
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
