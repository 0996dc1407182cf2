"""What a linked device stores beside the archive, and where: in the account's folder, or in a database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio.to_thread

from whatsapp_mcp.client.client_storage import ClientStorage
from whatsapp_mcp.device.connection.connection_record import ConnectionRecord, record_in
from whatsapp_mcp.device.connection.keys import FileKeys
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import FileStore, JournalReader, KeyStore


@dataclass(frozen=True, slots=True)
class LeaderLease:
    """For how long a leader may act.

    Attributes:
        until: When it ends, unless it is renewed, in seconds of CLOCK_BOOTTIME.
        returns_after: Seconds after which a client that was replaced is started again, once. A client of an
            earlier leader, which had stood still, has ended by then.
    """

    until: Callable[[], float]
    returns_after: float


@dataclass(frozen=True, slots=True)
class DeviceStorage:
    """What a linked device stores beside the archive.

    Attributes:
        keys: The client library's database.
        record: Where the connection is kept between leaders.
        client: What a client process opens, asked for each one when none of this leader runs any more.
        journal: The journal, usable from any thread; None: the file of the folder.
        files: Where files are kept that cannot be had again; None: in the folder alone.
        lease: None where the leader has none: on files its lock is enough.
    """

    keys: KeyStore
    record: ConnectionRecord
    client: Callable[[], Awaitable[ClientStorage]]
    journal: JournalReader | None = None
    lease: LeaderLease | None = None
    files: FileStore | None = None


def in_folder(folder: AccountFolder) -> DeviceStorage:
    """The storage of an account whose files are its own."""

    async def client() -> ClientStorage:
        key = await anyio.to_thread.run_sync(folder.key_of, folder.inbox_db)
        return ClientStorage(journal_key=key)

    return DeviceStorage(FileKeys(folder.client_db), record_in(folder.path), client)
