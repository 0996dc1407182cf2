"""Mutants: small changes that break the code, which the tests of their area must notice.

`python -m tests.mutants draw SEED COUNT` draws them and writes `mutants.json`; `python -m tests.mutants run`
applies each to a copy of this checkout, runs the tests there, and prints whether they fail.
"""

from __future__ import annotations

import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
DRAWN: Final = Path(__file__).with_name("mutants.json")
_AT_ONCE: Final = 2
_LIMIT: Final = 900
"""Seconds for the tests of one mutant; one that hangs counts as noticed."""

AREAS: Final = {
    "outbox": (
        ("archive/write/outbox/states.py", "archive/write/outbox/acceptance.py", "device/outbox/*.py"),
        (
            "tests/archive/test_outbox.py",
            "tests/device/test_*send*.py",
            "tests/device/test_outbox.py",
            "tests/device/test_pacing.py",
            "tests/server/test_votes.py",
        ),
    ),
    "gate": (
        ("device/guard/gate.py", "device/guard/sends.py", "policy/decisions.py"),
        ("tests/policy", "tests/device/test_g*.py", "tests/device/test_*send*.py", "tests/injections"),
    ),
    "identity": (
        ("archive/identity/*.py",),
        ("tests/archive/test_identity.py", "tests/archive/test_p*.py", "tests/archive/test_s*.py"),
    ),
    "journal": (
        ("client/journal.py", "client/journaling.py"),
        ("tests/client/test_journal*.py", "tests/client/test_process.py", "tests/device/test_write_ahead.py"),
    ),
    "state": (
        ("device/connection/state.py", "device/connection/reconnect.py"),
        ("tests/device/test_state.py", "tests/device/test_reconnect.py", "tests/device/test_handover.py"),
    ),
}
"""By area: what is broken, below the package, and the tests that must notice."""

_OPPOSITES: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change of one place.

    Attributes:
        area: Its key in `AREAS`.
        path: The module, from the top of the checkout.
        function: The innermost function around it.
        before: The source that is replaced, in the lines of the function.
        after: What replaces it.
        occurrence: Which of the equal places in that function, from zero.
    """

    area: str
    path: str
    function: str
    before: str
    after: str
    occurrence: int

    def applied(self, source: str) -> str:
        """A module's source with the change.

        Raises:
            LookupError: The place is not there any more.
        """
        for function in _functions(source):
            if function.name == self.function:
                places = [
                    node
                    for node, after in _changes(function)
                    if (ast.unparse(node), after) == (self.before, self.after)
                ]
                if len(places) > self.occurrence:
                    return _replaced(source, places[self.occurrence], self.after)
        raise LookupError(f"{self.path}: {self.function} has no `{self.before}` any more")


def draw(seed: int, count: int) -> list[Mutant]:
    """As many mutants of each area as of the others, drawn by chance."""
    chance = random.Random(seed)
    drawn: list[Mutant] = []
    for area, (modules, _) in AREAS.items():
        paths = sorted(path for pattern in modules for path in (ROOT / "whatsapp_mcp").glob(pattern))
        found = [mutant for path in paths for mutant in _mutants(area, path)]
        drawn += chance.sample(found, count // len(AREAS))
    return drawn


def run(mutants: list[Mutant]) -> list[Mutant]:
    """Those that no test notices."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        noticed = list(pool.map(_is_noticed, mutants))
    return [mutant for mutant, is_noticed in zip(mutants, noticed, strict=True) if not is_noticed]


def _mutants(area: str, path: Path) -> Iterator[Mutant]:
    for function in _functions(path.read_text()):
        seen: dict[tuple[str, str], int] = {}
        for node, after in _changes(function):
            key = ast.unparse(node), after
            seen[key] = seen.get(key, -1) + 1
            yield Mutant(area, str(path.relative_to(ROOT)), function.name, *key, seen[key])


def _functions(source: str) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def _changes(function: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Each place of a function that can be changed, with its new source."""
    for node in ast.walk(function):
        match node:
            case ast.Compare(left, [operator], [right]) if type(operator) in _OPPOSITES:
                yield node, ast.unparse(ast.Compare(left, [_OPPOSITES[type(operator)]()], [right]))
            case ast.BoolOp(operator, values):
                other = ast.Or() if isinstance(operator, ast.And) else ast.And()
                yield node, f"({ast.unparse(ast.BoolOp(other, values))})"
            case ast.UnaryOp(ast.Not(), operand):
                yield node, ast.unparse(operand)
            case ast.Return(ast.Constant(None)) | ast.Expr(ast.Call(ast.Attribute(ast.Name("logger")))):
                pass  # behaves as before
            case ast.Return(ast.expr()):
                yield node, "return None"
            case ast.Raise() | ast.Expr(ast.Call() | ast.Await()) | ast.AugAssign():
                yield node, "pass"
            case _:
                pass


def _replaced(source: str, node: ast.expr | ast.stmt, after: str) -> str:
    lines = source.encode().splitlines(keepends=True)
    assert node.end_lineno is not None
    first, last = node.lineno - 1, node.end_lineno - 1
    lines[first : last + 1] = [
        lines[first][: node.col_offset] + after.encode() + lines[last][node.end_col_offset :]
    ]
    return b"".join(lines).decode()


def _is_noticed(mutant: Mutant) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "checkout")
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv*", "build", "node_modules"))
        module = copy / mutant.path
        module.write_text(mutant.applied(module.read_text()))
        tests = [str(path) for pattern in AREAS[mutant.area][1] for path in sorted(copy.glob(pattern))]
        command = [sys.executable, "-m", "pytest", "-qxp", "no:cacheprovider", "-m", "not slow", *tests]
        environment = os.environ | {"PYTHONPATH": str(copy)}
        try:
            code = subprocess.run(
                command,
                cwd=copy,
                env=environment,
                timeout=_LIMIT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ).returncode
        except subprocess.TimeoutExpired:
            code = 1
    print(
        "noticed " if code else "SURVIVED",
        mutant.path,
        mutant.function,
        f"`{mutant.before[:60]}`",
        flush=True,
    )
    return code != 0


def main(arguments: list[str]) -> None:
    """Draw mutants, or run those that are drawn."""
    match arguments:
        case ["draw", seed, count]:
            drawn = [asdict(mutant) for mutant in draw(int(seed), int(count))]
            DRAWN.write_text(json.dumps(drawn, indent=1) + "\n")
        case ["run"]:
            survivors = run([Mutant(**each) for each in json.loads(DRAWN.read_text())])
            sys.exit(f"{len(survivors)} mutants survived" if survivors else 0)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
