"""What every test shares."""

import gc
import json
import logging
from collections.abc import Generator, Iterator
from contextvars import ContextVar
from importlib import import_module
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.properties import use_profile

use_profile()

pytest_plugins = ["tests.fixtures"]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, None, None]:
    """What is collected stays to the end, so the garbage collector need not go through it again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run every async test on asyncio, the one loop this project runs on."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _own_log_levels() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]  pytest calls it
    """What a command sets in this process, as `serve` does for its own, is set back after the test."""
    loggers = [
        logging.getLogger(name) for name in ("", "whatsapp_mcp", "whatsapp_fleet", "whatsapp_simulator")
    ]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture(autouse=True)
def _runs_a_loop_of_its_own() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]  pytest calls it
    """A test that is no coroutine may run a loop, though async fixtures of the session keep theirs.

    sniffio, which some hosts' packages bring, would say that one runs already.
    """
    try:
        library: ContextVar[str | None] = import_module("sniffio").current_async_library_cvar
    except ImportError:
        yield
        return
    token = library.set(None)
    yield
    library.reset(token)


@pytest.fixture(scope="session", autouse=True)
def _each_schema_is_checked_once() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]  pytest calls it
    """Clients check the schema of each tool that they call, which takes far longer than the call."""
    check: Any = Draft202012Validator.check_schema
    valid: set[str] = set()

    def check_once(schema: Any, *arguments: Any, **options: Any) -> None:
        text = json.dumps(schema, sort_keys=True)
        if text not in valid:
            check(schema, *arguments, **options)
            valid.add(text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Draft202012Validator, "check_schema", check_once)
        yield
