"""Every regular expression of the package takes linear time, whatever text it is given.

One in which nothing repeats without bound does so by construction: each place of a text costs a bounded
number of steps. The others are tried on texts that enter them again and again.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import chain, product
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple, cast

import pytest

ROOT: Final = Path(__file__).parents[1]
PACKAGES: Final = tuple(ROOT / name for name in ("whatsapp_fleet", "whatsapp_mcp", "whatsapp_simulator"))
SIZES: Final = (10_000, 20_000, 40_000)
SHARES: Final = 4
SHORT: Final = (1_000, 4_000)
SUSPICIOUS: Final = 0.02
"""Seconds for 20,000 characters; linear patterns take less, quadratic ones several times as much."""
NOTICED: Final = 0.05
SUPER_LINEAR: Final = 2.9
"""Growth of the time when the text doubles: 2 for linear patterns, 4 for quadratic ones."""
UNBOUNDED: Final = re.compile(r"(?<!\\)[*+]|\{\d+,\}")
WORD: Final = re.compile(r"[^\W\d_]{1,20}")
PIECES: Final = (*"a0A -.:/@\n<[('\"\\\u2068", "'\\", '"\\', ":/", "a0", "0 ", "0-", "a ", "1.")
ANCHORED: Final = frozenset({"match", "fullmatch"})
CALLS: Final = frozenset({"compile", "search", "finditer", "findall", "sub", "subn", "split", *ANCHORED})


class Found(NamedTuple):
    """A pattern, where it stands, and the methods by which it is used."""

    where: str
    pattern: re.Pattern[str]
    methods: frozenset[str]


def sources() -> list[Path]:
    """The modules in which patterns are made."""
    return [
        path
        for package in PACKAGES
        for path in sorted(package.rglob("*.py"))
        if "re." in path.read_text(encoding="utf-8")
    ]


def patterns_of(path: Path) -> Iterator[Found]:
    """The patterns of a module: those that it keeps, and those that are written where they are used."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and node.func.attr in CALLS
    ]
    where = path.relative_to(ROOT).as_posix()
    for call in calls:
        name, first = cast("ast.Attribute", call.func).attr, call.args[0] if call.args else None
        if name != "compile" and isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield Found(f"{where}:{call.lineno}", re.compile(first.value), frozenset({name}))
    if any(cast("ast.Attribute", call.func).attr == "compile" for call in calls):
        module = importlib.import_module(
            where.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        )
        yield from kept_by(module, tree, where)


def kept_by(module: ModuleType, tree: ast.AST, where: str) -> Iterator[Found]:
    """The patterns that a module keeps under a name."""
    used: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            used.setdefault(node.value.id, set()).add(node.attr)
    for name, value in vars(module).items():
        for pattern in patterns_in(value):
            yield Found(f"{where} {name}", pattern, frozenset(used.get(name, ("finditer", "match"))))


def patterns_in(value: Any) -> Iterator[re.Pattern[str]]:
    """The patterns in a value."""
    if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
        yield value
    elif isinstance(value, dict):
        yield from chain.from_iterable(map(patterns_in, value.values()))
    elif isinstance(value, tuple | list | set | frozenset):
        yield from chain.from_iterable(map(patterns_in, value))


def units(pattern: re.Pattern[str]) -> list[str]:
    """What a text repeats: the words of the pattern itself, and what stands for classes of characters."""
    words = [word + after for word, after in product(WORD.findall(pattern.pattern), ("", " "))]
    return [*dict.fromkeys([*PIECES, *words, *(f"{word}0" for word in words[:20])])]


def seconds(found: Found, unit: str, size: int) -> float:
    """How long a pattern takes for a text of this size."""
    text = (unit * (size // len(unit) + 1))[:size] + "\0"
    begin = time.process_time()
    if not found.methods <= ANCHORED:
        for _ in found.pattern.finditer(text):
            pass
    if "match" in found.methods:
        found.pattern.match(text)
    if "fullmatch" in found.methods:
        found.pattern.fullmatch(text)
    return time.process_time() - begin


def grows(found: Found, unit: str) -> bool:
    """Whether the time at least nearly quadruples when a text doubles, and again, whenever it is tried."""
    for size in SHORT:
        if min(seconds(found, unit, size) for _ in range(2)) > SUSPICIOUS:
            return True  # the long texts could take hours
    if seconds(found, unit, SIZES[1]) < SUSPICIOUS:
        return False
    for _ in range(2):
        small, middle = (seconds(found, unit, size) for size in SIZES[:2])
        if middle < SUPER_LINEAR * small:
            return False
        large = seconds(found, unit, SIZES[2])
        if large < max(NOTICED, SUPER_LINEAR * middle):
            return False
    return True


def print_patterns() -> None:
    """Print every pattern of the package in which something repeats without bound, as JSON lines."""
    for path in sources():
        for found in patterns_of(path):
            if UNBOUNDED.search(found.pattern.pattern):
                flags = int(found.pattern.flags)
                print(json.dumps([found.where, found.pattern.pattern, flags, [*found.methods]]))


@pytest.fixture(scope="module")
def unbounded() -> list[Found]:
    """What `print_patterns` prints in a process of its own: some modules start others when loaded."""
    program = "from tests.test_patterns import print_patterns; print_patterns()"
    printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    rows = {line: json.loads(line) for line in printed.stdout.splitlines()}.values()
    return [Found(where, re.compile(text, flags), frozenset(how)) for where, text, flags, how in rows]


@pytest.mark.parametrize("share", range(SHARES))
def test_no_pattern_takes_more_than_linear_time(unbounded: list[Found], share: int) -> None:
    assert len(unbounded) >= 80
    assert [
        f"{found.where} on {unit!r}"
        for found in unbounded[share::SHARES]
        for unit in units(found.pattern)
        if grows(found, unit)
    ] == []


@pytest.mark.parametrize(("text", "unit"), [("(?:[a0] ?)+x", "a0"), (r"\s+$", " ")])
def test_a_pattern_that_grows_is_noticed(text: str, unit: str) -> None:
    found = Found("here", re.compile(text, re.DOTALL), frozenset({"search"}))
    assert unit in units(found.pattern)
    assert grows(found, unit)
