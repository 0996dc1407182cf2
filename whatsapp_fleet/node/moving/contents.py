"""Contents of an account beside its keys, copied between a folder and the database and then compared."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from itertools import zip_longest
from pathlib import Path
from typing import Final

import anyio.to_thread

from whatsapp_fleet.database import (
    PostgresFiles,
    PostgresJournal,
    PostgresLog,
    PostgresSmallFile,
    PostgresSnapshots,
    PostgresStatements,
)
from whatsapp_fleet.node.moving.claims import Claim
from whatsapp_mcp.archive import LogStorage, open_archive, recording
from whatsapp_mcp.archive.care import copy_archive, digest_of, restore_snapshot
from whatsapp_mcp.client.journal import Journal
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.ledger import begin_log, dump_ledger, open_ledger, restore_ledger
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import JournalReader, JournalRow, LedgerStorage
from whatsapp_mcp.system import draft_of, is_draft, sync_folder, write_private

SMALL: Final = ("link.json", "approval.key")
"""Small files of a folder that belong to the account wherever it is."""
_ROWS: Final = 500
_HEAD: Final = "UPDATE whatsapp_mcp.heads SET seq = %s WHERE account = %s AND stream = %s"
_ROW: Final = """
INSERT INTO whatsapp_mcp.journal (account, seq, epoch, n, generation, received_at, code, payload)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""


async def put_archive(folder: AccountFolder, claim: Claim) -> int:
    """Put the archive of a folder into the database, as a snapshot that begins the log.

    Returns:
        The last row of the journal that is in it.
    """
    async with open_archive(folder, write=True) as archive:
        await archive.write(
            recording.meta_set, "moved", None
        )  # a log that goes on from an operation knows its archive
    digest = await anyio.to_thread.run_sync(digest_of, folder)
    async with PostgresSnapshots(claim.database, claim.account, claim.epoch) as snapshots:
        with draft_of(folder.path / "snapshot") as draft:
            snapshot = await anyio.to_thread.run_sync(copy_archive, folder, draft, digest)
            with claim.session.transaction():
                claim.check()
                claim.session.execute(_HEAD, [snapshot.seq, claim.account, "log"])
            await snapshots.put(snapshot, draft)
        await snapshots.point_to(snapshot)
        with tempfile.TemporaryDirectory(prefix="check-", dir=folder.path) as name:
            copy = AccountFolder(folder.name, Path(name))
            with draft_of(copy.path / "snapshot") as draft:
                await snapshots.fetch(snapshot, draft)
                await anyio.to_thread.run_sync(restore_snapshot, copy, draft)
            require(await anyio.to_thread.run_sync(digest_of, copy) == digest, "archive")
    return snapshot.position


@asynccontextmanager
async def _log_of(claim: Claim) -> AsyncIterator[LogStorage]:
    async with AsyncExitStack() as stack:
        about = (claim.database, claim.account, claim.epoch)
        yield LogStorage(
            await stack.enter_async_context(PostgresLog(*about)),
            stack.enter_context(closing(PostgresJournal(*about))),
            await stack.enter_async_context(PostgresSnapshots(*about)),
        )


async def take_archive(folder: AccountFolder, claim: Claim) -> int:
    """Make the archive of the database in a folder, which must agree with the whole log.

    Returns:
        The last row of the journal that is in it.
    """
    async with _log_of(claim) as storage, open_archive(folder, write=True, storage=storage) as archive:
        return await archive.position()


def put_journal(folder: AccountFolder, claim: Claim, position: int) -> None:
    """Copy what the archive does not have yet of the journal, under the same numbers."""
    with Journal(folder.inbox_db, folder.key_of(folder.inbox_db)) as journal:
        last = max(journal.last_seq(), position)
        with claim.session.transaction(), claim.session.cursor() as cursor:
            claim.check()
            cursor.execute(_HEAD, [last, claim.account, "journal"])
            for n, row in enumerate(_rows(journal, position), 1):
                given = (row.generation, row.received_at, row.code, row.payload)
                cursor.execute(_ROW, [claim.account, row.seq, claim.epoch, n, *given])
        with PostgresJournal(claim.database, claim.account, claim.epoch) as there:
            require(_is_same(journal, there, position) and there.last_seq() == last, "journal")


def take_journal(folder: AccountFolder, claim: Claim, position: int) -> None:
    """Copy the rows of the journal after `position` from the database to the folder."""
    with (
        PostgresJournal(claim.database, claim.account, claim.epoch) as there,
        Journal(folder.inbox_db, folder.key_of(folder.inbox_db)) as journal,
    ):
        journal.copy(_rows(there, position))
        journal.continue_after(max(there.last_seq(), position))
        require(_is_same(journal, there, position), "journal")


def _rows(journal: JournalReader, after: int) -> Iterator[JournalRow]:
    while rows := journal.read(after, _ROWS):
        yield from rows
        after = rows[-1].seq


def _is_same(journal: JournalReader, other: JournalReader, after: int) -> bool:
    return all(row == same for row, same in zip_longest(_rows(journal, after), _rows(other, after)))


async def put_ledger(folder: AccountFolder, claim: Claim) -> None:
    """Copy the ledger, as a snapshot that begins its log."""
    async with open_ledger(folder):  # makes or migrates its tables
        pass
    await anyio.to_thread.run_sync(_put_ledger, claim, dump_ledger(folder))


def _put_ledger(claim: Claim, content: bytes) -> None:
    with closing(PostgresStatements(claim.database, claim.account, claim.epoch)) as log:
        begin_log(log, content, claim.run)
        kept = log.newest_snapshot()
        require(kept is not None and kept.content == content, "ledger")


async def take_ledger(folder: AccountFolder, claim: Claim) -> None:
    """Make the ledger of the database in a folder, which must agree with the whole log of it."""
    about = (claim.database, claim.account)
    with (
        closing(PostgresStatements(*about, claim.epoch)) as log,
        closing(PostgresSmallFile(*about, folder.approval_key.name, claim.epoch)) as key,
    ):
        async with open_ledger(folder, storage=LedgerStorage(log, key)):
            pass
    await anyio.to_thread.run_sync(restore_ledger, folder, dump_ledger(folder))


def put_small_files(folder: AccountFolder, claim: Claim) -> None:
    """Copy the small files."""
    for name in SMALL:
        path = folder.path / name
        if path.exists():
            with PostgresSmallFile(claim.database, claim.account, name, claim.epoch) as file:
                file.write(path.read_bytes())
                require(file.read() == path.read_bytes(), name)


def take_small_files(folder: AccountFolder, claim: Claim) -> None:
    """Copy the small files from the database to the folder."""
    for name in SMALL:
        with PostgresSmallFile(claim.database, claim.account, name, claim.epoch) as file:
            content = file.read()
        if content is not None:
            write_private(folder.path / name, content, synced=True)


async def put_files(folder: AccountFolder, claim: Claim) -> None:
    """Copy every file that was downloaded, sent or written out: WhatsApp keeps files for some weeks alone."""
    async with PostgresFiles(claim.database, claim.account, claim.epoch) as files:
        here = dict(_files(folder))
        for name, path in here.items():
            await files.put(name, path)
            with draft_of(folder.path / "file") as draft:
                require(await files.fetch(name, draft) and _sha256(draft) == _sha256(path), "files")
        require(await files.names() == here.keys(), "files")


async def take_files(folder: AccountFolder, claim: Claim) -> None:
    """Copy every file from the database to the folder; they are on the disk when this returns."""
    folders = {folder.path}
    async with PostgresFiles(claim.database, claim.account, claim.epoch) as files:
        for name in sorted(await files.names()):
            path = folder.path / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with draft_of(path) as draft:
                require(await files.fetch(name, draft), "files")
                await anyio.to_thread.run_sync(_sync, draft)
                draft.rename(path)
            folders.update(each for each in path.parents if each.is_relative_to(folder.path))
    for each in folders:
        await anyio.to_thread.run_sync(sync_folder, each)


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _sha256(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _files(folder: AccountFolder) -> Iterator[tuple[str, Path]]:
    """The files of an account, by their paths below its folder; `media` itself may be a link."""
    for below in (folder.media, folder.exports):
        for path in sorted(below.rglob("*")):
            if path.is_file() and not path.is_symlink() and not is_draft(path):
                yield f"{below.name}/{path.relative_to(below).as_posix()}", path


def require(holds: bool, what: str) -> None:
    """Require that a copy equals its source.

    Raises:
        Busy: It is not.
    """
    if not holds:
        raise Busy(f"The copy of the account ({what}) differs from what was copied.", "Run this again.")
