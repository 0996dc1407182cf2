"""Opening an archive: for reading by every server, for writing by the account's leader."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from datetime import UTC, datetime
from functools import partial
from typing import Literal, overload

import anyio.to_thread

from whatsapp_mcp.archive import database
from whatsapp_mcp.archive.archive import Archive
from whatsapp_mcp.archive.committer import Recorder
from whatsapp_mcp.archive.projection import LogStorage, open_projection, skip_to_snapshot
from whatsapp_mcp.archive.reading import ReadingArchive
from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.settings import AccountFolder


def _now() -> datetime:
    return datetime.now(UTC)


@overload
def open_archive(
    folder: AccountFolder, *, write: Literal[False] = False
) -> AbstractAsyncContextManager[ReadingArchive]: ...
@overload
def open_archive(
    folder: AccountFolder,
    *,
    write: Literal[True],
    now: Callable[[], datetime] = ...,
    recorder: Recorder | None = ...,
    storage: LogStorage | None = ...,
    leads: bool = ...,
) -> AbstractAsyncContextManager[Archive]: ...
def open_archive(
    folder: AccountFolder,
    *,
    write: bool = False,
    now: Callable[[], datetime] = _now,
    recorder: Recorder | None = None,
    storage: LogStorage | None = None,
    leads: bool = False,
) -> AbstractAsyncContextManager[ReadingArchive] | AbstractAsyncContextManager[Archive]:
    """Open an account's archive.

    Args:
        folder: The account's files.
        write: Whether to write; only the account's leader may. A reader needs no file to be there yet.
        now: The wall time, of which each operation gets its own.
        recorder: Called with each operation after its commit, in order, in the thread that writes.
        storage: Where each operation is kept before it is applied. The files are then a projection of that
            log: they have applied all of it when this returns, and are made again if they differ from it.
        leads: Whether `storage` is a leader's: files that it lacks something of are then no reason to make
            them again.

    Raises:
        Rewound: The log of a leader lacks what the files have.
        Unsupported: The file, or the log, was written by a newer version.
    """
    return _open_writer(folder, now, recorder, storage, leads) if write else _open_reader(folder)


@asynccontextmanager
async def _open_reader(folder: AccountFolder) -> AsyncIterator[ReadingArchive]:
    with closing(ReadingArchive(folder)) as archive:
        yield archive


@asynccontextmanager
async def _open_writer(
    folder: AccountFolder,
    now: Callable[[], datetime],
    recorder: Recorder | None,
    storage: LogStorage | None,
    leads: bool,
) -> AsyncIterator[Archive]:
    folder.create()
    if storage is None:
        db, raw = await anyio.to_thread.run_sync(database.connect, folder)
        opened = Archive(folder, db, raw, now, recorder)
    else:
        make = partial(Archive, folder, now=now, recorder=recorder, storage=storage)
        opened = await _caught_up(folder, storage, make, leads=leads)
    with closing(opened) as archive:
        yield archive


async def _caught_up(
    folder: AccountFolder, storage: LogStorage, make: Callable[..., Archive], *, leads: bool
) -> Archive:
    """A projection that has applied all of its log, or what follows the newest snapshot.

    Raises:
        Unsupported: This version can apply neither.
    """
    while True:
        archive = make(*await open_projection(folder, storage, leads=leads))
        try:
            await archive.catch_up()
        except Unsupported:
            archive.close()
            # What this version cannot apply may stand before the newest snapshot alone.
            if not await skip_to_snapshot(folder, storage):
                raise
        except BaseException:
            archive.close()
            raise
        else:
            return archive
