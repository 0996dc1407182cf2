"""Every regular expression of the package takes linear time, whatever text it is given.

One in which nothing repeats without bound does so by construction: each place of a text costs a bounded
number of steps. The others are tried on texts that enter them again and again.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import time
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import product
from types import ModuleType
from typing import Any, Final

import pytest

import whatsapp_mcp

_ROOM: Final = re.compile(r"whatsapp_mcp\.\w+")
_SIZES: Final = (10_000, 20_000, 40_000)
_NOTICED: Final = 0.05
"""Seconds below which growth is not told from noise."""
_SUPER_LINEAR: Final = 2.9
"""Growth of the time when the text doubles: 2 for linear patterns, 4 for quadratic ones."""
_UNBOUNDED: Final = re.compile(r"(?<!\\)[*+]|\{\d+,\}")
_WORD: Final = re.compile(r"[^\W\d_]{1,20}")
_PIECES: Final = (*"a0A -.:/@\n<[('\"\\\u2068", "'\\", '"\\', ":/")
_AFTER: Final = ("", " ", "-", ".", "0")
_ANCHORED: Final = frozenset({"match", "fullmatch"})


def _modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(whatsapp_mcp.__path__, "whatsapp_mcp."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def _patterns_in(value: Any) -> Iterator[re.Pattern[str]]:
    if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _patterns_in(each)
    elif isinstance(value, tuple | list | set | frozenset):
        for each in value:
            yield from _patterns_in(each)


@cache
def _anchored_names(module: ModuleType) -> frozenset[str]:
    """The names of a module that are only ever matched from the beginning of a text."""
    used: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            used.setdefault(node.value.id, set()).add(node.attr)
    return frozenset(name for name, methods in used.items() if methods <= _ANCHORED)


@cache
def _found() -> dict[str, tuple[re.Pattern[str], bool]]:
    """Each pattern by where it stands, and whether it is searched for within texts."""
    found: dict[re.Pattern[str], tuple[str, bool]] = {}
    for module in _modules():
        for name, value in vars(module).items():
            for at, pattern in enumerate(_patterns_in(value)):
                where = f"{module.__name__}.{name}[{at}]"
                searched = name not in _anchored_names(module)
                former, was_searched = found.get(pattern, (where, False))
                found[pattern] = former, searched or was_searched
    return {where: (pattern, searched) for pattern, (where, searched) in found.items()}


def _units(pattern: re.Pattern[str]) -> Iterable[str]:
    """What a text repeats: the words of the pattern itself, and what stands for classes of characters."""
    words = {*_PIECES, *_WORD.findall(pattern.pattern)}
    return dict.fromkeys(word + after for word, after in product(sorted(words), _AFTER))


def _seconds(pattern: re.Pattern[str], searched: bool, text: str) -> float:
    begin = time.perf_counter()
    if searched:
        for _ in pattern.finditer(text):
            pass
    else:
        pattern.match(text)
        pattern.fullmatch(text)
    return time.perf_counter() - begin


def _grows(pattern: re.Pattern[str], searched: bool, unit: str) -> bool:
    """Whether the time at least nearly quadruples when a text doubles, twice and three times over."""
    texts = [(unit * (size // len(unit) + 1))[:size] + "\0" for size in _SIZES]
    for _ in range(3):
        small, middle = (_seconds(pattern, searched, text) for text in texts[:2])
        if middle < _SUPER_LINEAR * small:
            return False
        large = _seconds(pattern, searched, texts[2])
        if large < _NOTICED or large < _SUPER_LINEAR * middle:
            return False
    return True


@pytest.mark.parametrize("room", sorted({_ROOM.match(where)[0] for where in _found()}))
def test_no_pattern_takes_more_than_linear_time(room: str) -> None:
    growing = [
        f"{where} on {unit!r}"
        for where, (pattern, searched) in _found().items()
        if _UNBOUNDED.search(pattern.pattern) and where.startswith((f"{room}.", f"{room}["))
        for unit in _units(pattern)
        if _grows(pattern, searched, unit)
    ]
    assert growing == []
