"""An account in a folder, as a client leaves it, without one."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import anyio

from tests.archive import events as ev
from tests.archive.events import NOW
from whatsapp_fleet.node.moving.keys import make_tables
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.client.journal import Journal
from whatsapp_mcp.ledger import Exposure, open_ledger
from whatsapp_mcp.settings import AccountFolder

DEVICE = (
    "15550001111:3@s.whatsapp.net", None, None, 5, bytes(32), bytes(32), bytes(32), 1, bytes(64), b"key",
    b"details", bytes(64), bytes(32), bytes(64), "", "", "Me", 0, "",
)  # fmt: skip
"""A row of the client library's table."""


async def archived(folder: AccountFolder, *, whole: bool = True) -> None:
    """Archive what the journal of a folder holds; all of it, or half."""
    with Journal(folder.inbox_db) as journal:
        async with open_archive(folder, write=True, now=lambda: NOW) as archive:
            rows = journal.read(await archive.position(), 1_000)
            await archive.ingest(rows if whole else rows[: len(rows) // 2])
            journal.prune(await archive.position())


_EMPTY: dict[str, bytes] = {}


async def empty_tables() -> bytes:
    """The file that the client library makes; once for all tests of this process, since it takes a second."""
    if not _EMPTY:
        with tempfile.TemporaryDirectory() as name:
            await make_tables(Path(name))
            with closing(sqlite3.connect(f"{name}/client.db")) as db:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            _EMPTY["client.db"] = await anyio.Path(name, "client.db").read_bytes()
    return _EMPTY["client.db"]


async def stored(folder: AccountFolder, *said: str) -> None:
    """An account as a client leaves it: keys, events of which some are archived, and files."""
    folder.create()
    folder.client_db.write_bytes(await empty_tables())
    with closing(sqlite3.connect(folder.client_db)) as db, db:
        db.execute("INSERT INTO whatsmeow_device VALUES (:row)".replace(":row", ", ".join("?" * 19)), DEVICE)
    with Journal(folder.inbox_db) as journal:
        for number, text in enumerate(said):
            event = ev.message(f"A{number}", text)
            journal.append(1, int(event.code), event.payload)
    await archived(folder, whole=False)
    (folder.media / "outgoing").mkdir()
    (folder.media / "outgoing" / "picture.jpg").write_bytes(b"picture")
    (folder.path / "link.json").write_text('{"generation": 7}')
    async with open_ledger(folder) as ledger:
        await ledger.expose("agent", Exposure.STRANGER)
