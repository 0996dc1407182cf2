"""Which refusals a tool words itself: read from the source of the server."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from functools import cache
from types import ModuleType
from typing import Any

from whatsapp_mcp import errors
from whatsapp_mcp.errors import WhatsAppError

ROOM = "whatsapp_mcp.server"


def worded_codes(function: Callable[..., Any]) -> frozenset[str]:
    """Codes of the errors that a function raises, or one of the server that it names, and so on."""
    found: set[str] = set()
    waiting, known = [function], {function}
    while waiting:
        raised, named = _read(waiting.pop())
        found |= raised
        new = [each for each in named if each not in known]
        known.update(new)
        waiting += new
    return frozenset(found)


@cache
def _read(function: Callable[..., Any]) -> tuple[frozenset[str], tuple[Callable[..., Any], ...]]:
    module = inspect.getmodule(function)
    tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(function)))
    raised = frozenset(code for node in ast.walk(tree) if isinstance(node, ast.Raise) for code in _code(node))
    named = tuple(each for node in ast.walk(tree) for each in _named(node, module) if _is_ours(each))
    return raised, named


def _code(node: ast.Raise) -> Iterator[str]:
    if isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
        kind = getattr(errors, node.exc.func.id, None)
        if isinstance(kind, type) and issubclass(kind, WhatsAppError):
            yield kind.code


def _named(node: ast.AST, module: ModuleType | None) -> Iterator[Any]:
    """What a name, or an attribute of a module, stands for in the function's module."""
    if isinstance(node, ast.Name):
        yield getattr(module, node.id, None)
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        holder = getattr(module, node.value.id, None)
        if isinstance(holder, ModuleType):
            yield getattr(holder, node.attr, None)


def _is_ours(thing: Any) -> bool:
    return inspect.isfunction(thing) and thing.__module__.startswith(ROOM)
