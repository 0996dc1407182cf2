"""Tables of a test: each row is tried in one test, and the rows that fail are named together."""

from __future__ import annotations

import functools
import inspect
import reprlib
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from types import TracebackType
from typing import Any

import pytest

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80


def rows(
    names: str, table: Iterable[Any], **makers: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make one test of a table: it tries every row, and fails with the rows that fail.

    Fixtures are made once for all rows, so none may depend on what another one leaves behind.

    Args:
        names: The parameters that a row gives, separated by commas.
        table: The rows: a value if there is one name, otherwise a tuple; `pytest.param(…, id=…)` names a row.
        makers: By parameter, the fixture that is called for each row to make it, or to open it for that row.
    """
    parameters = [name.strip() for name in names.split(",")]
    tried = {name: dict(zip(parameters, row, strict=True)) for name, row in _named(table, len(parameters))}
    assert tried

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(test)
        async def in_turn(**fixtures: Any) -> None:
            failing: dict[str, str] = {}
            make = {name: fixtures.pop(maker) for name, maker in makers.items()}
            for name, given in tried.items():
                with _Row(failing, name):
                    async with AsyncExitStack() as stack:
                        made = {each: await _entered(stack, maker()) for each, maker in make.items()}
                        await test(**fixtures, **given, **made)
            _end(failing)

        @functools.wraps(test)
        def at_once(**fixtures: Any) -> None:
            failing: dict[str, str] = {}
            make = {name: fixtures.pop(maker) for name, maker in makers.items()}
            for name, given in tried.items():
                with _Row(failing, name):
                    test(**fixtures, **given, **{each: maker() for each, maker in make.items()})
            _end(failing)

        wrapper: Any = in_turn if inspect.iscoroutinefunction(test) else at_once
        signature = inspect.signature(test)
        assert signature.parameters.keys() >= {*parameters, *makers}
        asked = [
            one.replace(name=makers.get(name, name))
            for name, one in signature.parameters.items()
            if name not in parameters
        ]
        wrapper.__signature__ = signature.replace(parameters=asked)
        return wrapper

    return decorate


async def _entered(stack: AsyncExitStack, made: Any) -> Any:
    is_opened = isinstance(made, AbstractAsyncContextManager)
    return await stack.enter_async_context(made) if is_opened else made


class _Row(AbstractContextManager[None]):
    """A row of a table; what fails in it is noted, and the next row has its turn."""

    def __init__(self, failing: dict[str, str], name: str) -> None:
        self._failing, self._name = failing, name

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, (Exception, pytest.fail.Exception)):
            return False
        place = traceback.format_tb(trace)[-1].strip()
        self._failing[self._name] = f"{type(error).__name__}: {error}\n{place}"
        return True


def _named(table: Iterable[Any], width: int) -> Iterable[tuple[str, tuple[Any, ...]]]:
    for number, row in enumerate(table):
        name, values = getattr(row, "id", None), row
        if type(row) is type(pytest.param()):
            assert not row.marks
            values = row.values
        elif width == 1:
            values = (row,)
        yield f"{number} {name or _SHORT.repr(values if width > 1 else values[0])}", tuple(values)


def _end(failing: Mapping[str, str]) -> None:
    if failing:
        pytest.fail("\n\n".join(f"row {name}: {what}" for name, what in failing.items()), pytrace=False)
