"""Running asynchronous code from a test that is none itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import anyio

T = TypeVar("T")


def run_apart(function: Callable[..., Awaitable[T]], *arguments: object) -> T:
    """Run it in an event loop of a thread of its own: the loop of a shared fixture may be in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(anyio.run, function, *arguments).result()
