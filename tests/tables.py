"""Tables of rows that one test goes through, and that name the rows which fail."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

_PARAMETERS: Any = type(pytest.param())
_LONGEST = 300
"""Characters of a row in what is said of it."""


def for_each(
    names: str | Sequence[str], rows: Iterable[Any], **makers: str
) -> Callable[[Callable[..., Any]], Any]:
    """Make one test that calls a function with each row, and fails with all rows for which that fails.

    It takes names and rows as `pytest.mark.parametrize` does, which makes a test of each row instead: for
    rows that begin something large, or do different things. Each row has a `monkeypatch`, a `tmp_path` and
    a `capsys` of its own, and by parameter what the fixture that `makers` names makes or opens when called;
    other fixtures are shared by all of them.
    """
    named = [name.strip() for name in names.split(",")] if isinstance(names, str) else [*names]
    table = [dict(zip(named, _values(row, len(named)), strict=True)) for row in rows]

    def wrap(function: Callable[..., Any]) -> Any:
        async def go_through_them(**fixtures: Any) -> None:
            wrong: list[str] = []
            make = {name: fixtures.pop(maker) for name, maker in makers.items()}
            for number, row in enumerate(table):
                with _noted(row, wrong), _own(fixtures, number) as own:
                    async with AsyncExitStack() as opened:
                        made = {name: await _entered(opened, maker()) for name, maker in make.items()}
                        await function(**own, **row, **made)
            _none_of(wrong, table)

        def go_through(**fixtures: Any) -> None:
            wrong: list[str] = []
            make = {name: fixtures.pop(maker) for name, maker in makers.items()}
            for number, row in enumerate(table):
                with _noted(row, wrong), _own(fixtures, number) as own:
                    function(**own, **row, **{name: maker() for name, maker in make.items()})
            _none_of(wrong, table)

        asynchronous = inspect.iscoroutinefunction(function)
        test = functools.wraps(function)(go_through_them if asynchronous else go_through)
        signature = inspect.signature(function)
        others = [
            each.replace(name=makers.get(name, name))
            for name, each in signature.parameters.items()
            if name not in named
        ]
        vars(test)["__signature__"] = signature.replace(parameters=others)
        return test

    return wrap


def _values(row: Any, count: int) -> tuple[Any, ...]:
    if isinstance(row, _PARAMETERS):
        return tuple(row.values)
    return (row,) if count == 1 else row


async def _entered(opened: AsyncExitStack, made: Any) -> Any:
    is_opened = isinstance(made, AbstractAsyncContextManager)
    return await opened.enter_async_context(made) if is_opened else made


def _none_of(wrong: list[str], table: list[dict[str, Any]]) -> None:
    assert table, "the table has no row"
    assert not wrong, f"{len(wrong)} of {len(table)} rows fail\n" + "\n".join(wrong)


@contextmanager
def _noted(row: dict[str, Any], wrong: list[str]) -> Iterator[None]:
    """What fails for a row is noted with the row; any other error goes on, with the row."""
    name = ", ".join(f"{name}={value!r}"[:_LONGEST] for name, value in row.items())
    try:
        yield
    except (AssertionError, pytest.fail.Exception) as error:
        wrong.append(f"{name}: {error}")
    except Exception as error:
        error.add_note(f"in the row {name}")
        raise


@contextmanager
def _own(fixtures: dict[str, Any], number: int) -> Iterator[dict[str, Any]]:
    """The fixtures of one row."""
    own = dict(fixtures)
    if "capsys" in own:
        own["capsys"].readouterr()
    if "tmp_path" in own:
        folder: Path = own["tmp_path"] / str(number)
        folder.mkdir()
        own["tmp_path"] = folder
    if "monkeypatch" not in own:
        yield own
        return
    with pytest.MonkeyPatch.context() as patch:
        yield own | {"monkeypatch": patch}
