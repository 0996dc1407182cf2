"""Stand-ins for what imports read: an archive of another program whose pages a test gives."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.lowlevel

from whatsapp_mcp.features.imports.foreign import ForeignArchive
from whatsapp_mcp.models import ForeignMessage, ForeignPage, ImportSource

ANN = "15550000001@s.whatsapp.net"
FIRST = 1_546_300_800
"""2019-01-01."""


def message(number: int, **facts: Any) -> ForeignMessage:
    """The one of this number, a minute after the one before, in Ann's chat."""
    told = ForeignMessage(f"3A{number:06}", ANN, ANN, FIRST + 60 * number, text=f"message {number}")
    return replace(told, **facts)


def pages(messages: Sequence[ForeignMessage], rows: int = 2) -> list[ForeignPage]:
    """The messages, so many to a page."""
    found = [
        ForeignPage(tuple(messages[start : start + rows]), following=start + rows, read=rows)
        for start in range(0, len(messages), rows)
    ]
    return [*found[:-1], replace(found[-1], following=None)] if found else [ForeignPage()]


@dataclass
class Opened:
    """An archive of another program that is open.

    Attributes:
        given: Its pages.
        source: What wrote it.
        before: Awaited before each page, with its number.
        asked: From where it was read.
        has_files: As of `ForeignArchive`.
    """

    given: list[ForeignPage]
    source: ImportSource = ImportSource.ANDROID
    before: Callable[[int], Awaitable[object]] = lambda number: anyio.lowlevel.checkpoint()
    asked: list[int | None] = field(default_factory=list[int | None])
    has_files: bool = False

    @property
    def total(self) -> int:
        return sum(page.read for page in self.given)

    @property
    def fingerprint(self) -> bytes:
        return hashlib.sha256(repr(self.given).encode()).digest()

    async def pages(self, after: int | None = None, *, rows: int = 2_000) -> AsyncIterator[ForeignPage]:
        self.asked.append(after)
        starts = [None, *(page.following for page in self.given[:-1])]
        for number in range(starts.index(after), len(self.given)):
            await self.before(number)
            yield self.given[number]


@dataclass
class Opens:
    """Opens that archive, and keeps with what."""

    opened: Opened
    given: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @asynccontextmanager
    async def __call__(self, path: Path, scratch: Path, **options: Any) -> AsyncIterator[ForeignArchive]:
        self.given.append({"path": path, "scratch": scratch, **options})
        yield cast("ForeignArchive", self.opened)
