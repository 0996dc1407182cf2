"""A recorded run applied to an empty archive: `python -m tests.archive.replaying FOLDER`.

The operations come in on stdin, one a line; the digests of the archive go out.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import anyio

from tests.archive.events import NOW
from whatsapp_mcp.archive import WriteOperation, open_archive
from whatsapp_mcp.decoding import events
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.settings import AccountFolder

_INDEX = "CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, fts, instance)"
"""What the search index says; its own tables say in which pieces, which depends on when they were merged."""


def contents(folder: AccountFolder) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of `archive.db` and `raw.db`, and every word of the search index."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for path in (folder.archive_db, folder.raw_db):
        with closing(sqlite3.connect(path)) as db:
            tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")
            for (table,) in tables.fetchall():
                if not table.startswith(("fts", "sqlite_stat")):
                    found[table] = db.execute(f"SELECT * FROM {table}").fetchall()
            if path == folder.archive_db:
                db.execute(_INDEX)
                found["words"] = db.execute("SELECT * FROM words ORDER BY 1, 2, 3, 4").fetchall()
    return found


def digests(folder: AccountFolder) -> dict[str, str]:
    """A digest of each table, and of what the search index says."""
    return {
        table: hashlib.sha256(repr(rows).encode()).hexdigest() for table, rows in contents(folder).items()
    }


async def replay(folder: AccountFolder, operations: Iterable[bytes]) -> None:
    """Apply operations to an archive; the refused ones are refused again."""
    async with open_archive(folder, write=True, now=lambda: NOW) as archive:
        for line in operations:
            with suppress(WhatsAppError):
                await archive.apply(WriteOperation.from_json(line))


def main() -> None:
    """Replay without a decoder: an operation has been decoded."""
    events._DECODERS.clear()  # pyright: ignore[reportPrivateUsage]
    folder = AccountFolder("default", Path(sys.argv[1]))
    anyio.run(replay, folder, sys.stdin.buffer.read().splitlines())
    print(json.dumps(digests(folder)))


if __name__ == "__main__":
    main()
