"""Run the named benchmarks, or all: every module beside this one that has a `main`."""

import importlib
import pkgutil
import sys

import benchmarks


def main() -> None:
    """Run them one after the other."""
    there = [
        module.name
        for module in pkgutil.iter_modules(benchmarks.__path__)
        if module.name[0] != "_" and not module.ispkg
    ]
    for name in sys.argv[1:] or there:
        print(f"== {name}")
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
