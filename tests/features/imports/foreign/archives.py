"""Reads a foreign archive as a server does."""

from __future__ import annotations

from pathlib import Path

from whatsapp_mcp.features.imports.foreign import open_foreign
from whatsapp_mcp.models import ForeignPage, ImportSource


async def pages_of(
    path: Path,
    *,
    after: int | None = None,
    rows: int = 2_000,
    key: bytes | None = None,
    companions: tuple[Path, ...] = (),
    owner: str | None = None,
) -> list[ForeignPage]:
    """All pages of an archive, from a row on."""
    async with open_foreign(
        path, path.with_name("scratch"), key=key, companions=companions, owner=owner
    ) as archive:
        return [page async for page in archive.pages(after, rows=rows)]


async def described(path: Path, *, key: bytes | None = None) -> tuple[ImportSource, int, bytes]:
    """Its source, how many messages it has, and its fingerprint."""
    async with open_foreign(path, path.with_name("scratch"), key=key) as archive:
        return archive.source, archive.total, archive.fingerprint
