"""Run the named benchmarks, by default all, each in its own process: every module here that has a `main`."""

import argparse
import importlib
import pkgutil
import subprocess
import sys

import benchmarks


def names() -> list[str]:
    """The names of all benchmarks."""
    modules = [module for module in pkgutil.iter_modules(benchmarks.__path__) if not module.ispkg]
    return [
        module.name
        for module in modules
        if module.name != "__main__" and hasattr(importlib.import_module(f"benchmarks.{module.name}"), "main")
    ]


def main() -> int:
    """Run them one after the other; return 1 if one failed."""
    there = names()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(there))
    wanted = parser.parse_args().names or there
    if unknown := [name for name in wanted if name not in there]:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(there)}")
    failed = 0
    for name in wanted:
        print(f"== {name}", flush=True)
        failed |= subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
