"""Rules of this code that no linter knows, held by reading it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "whatsapp_mcp"
MODULES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
BOUNDARIES = {
    "client/__main__.py",
    "device/supervise.py",
    "media/child.py",
    "rpc.py",
    "server/registry.py",
}
"""Outermost loops of a process, a task, a job, a call and a tool: what fails behind them gets no further."""
LINES_OF_A_MODULE = 500
LINES_OF_A_FUNCTION = 50
"""Without the docstring. Both are far beyond what is usual here: about 200 and 10."""


def parsed() -> Iterator[tuple[str, ast.AST]]:
    """Every piece of syntax of the package, with its module."""
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            yield module, node


def catches_everything(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or ast.unparse(kind) in {"Exception", "BaseException"} for kind in kinds)


def raises_again(handler: ast.ExceptHandler) -> bool:
    return isinstance(handler.body[-1], ast.Raise) and handler.body[-1].exc is None


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_every_error_is_caught_at_a_boundary_alone() -> None:
    swallowed = [
        f"{module}:{node.lineno}"
        for module, node in parsed()
        if module not in BOUNDARIES
        and isinstance(node, ast.ExceptHandler)
        and catches_everything(node)
        and not raises_again(node)
    ]
    assert swallowed == []


def test_the_command_of_a_child_process_is_made_in_one_place() -> None:
    uses = {
        module for module, node in parsed() if isinstance(node, ast.Attribute) and node.attr == "executable"
    }
    assert uses == {"child_process.py"}


def test_no_function_changes_a_global() -> None:
    assert [f"{module}:{node.lineno}" for module, node in parsed() if isinstance(node, ast.Global)] == []


def test_a_module_can_be_read_in_one_sitting() -> None:
    lengths = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in MODULES.items()}
    assert {module: lines for module, lines in lengths.items() if lines > LINES_OF_A_MODULE} == {}


def test_a_function_can_be_seen_at_once() -> None:
    functions = [
        (f"{module}:{node.lineno}", lines_of(node))
        for module, node in parsed()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert [place for place, lines in functions if lines > LINES_OF_A_FUNCTION] == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("try: pass\nexcept Exception: pass", True),
        ("try: pass\nexcept (OSError, BaseException): pass", True),
        ("try: pass\nexcept: pass", True),
        ("try: pass\nexcept BaseException:\n close()\n raise", False),
        ("try: pass\nexcept (OSError, ValueError): pass", False),
    ],
)
def test_the_check_knows_what_swallows_every_error(source: str, found: bool) -> None:
    [handler] = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ExceptHandler)]
    assert (catches_everything(handler) and not raises_again(handler)) is found
