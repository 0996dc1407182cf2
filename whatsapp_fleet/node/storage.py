"""Storage that one leadership opens for an account in the database, and closes at its end."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import replace
from functools import partial
from typing import Final

import anyio
import anyio.to_thread
import psycopg

from whatsapp_fleet.database import (
    Database,
    Link,
    PostgresFiles,
    PostgresJournal,
    PostgresLog,
    PostgresSmallFile,
    PostgresSnapshots,
    PostgresStatements,
    connect,
    lease_of,
)
from whatsapp_fleet.keys import Login, PostgresKeys, journal_address, keys_address, terminate_backends
from whatsapp_mcp.archive import LogStorage
from whatsapp_mcp.client.client_storage import ClientStorage
from whatsapp_mcp.device.leader import LeaderLease, LedStorage
from whatsapp_mcp.storage import Fenced, LedgerStorage, Refused, Unavailable

RECORD: Final = "link.json"
APPROVAL_KEY: Final = "approval.key"


@asynccontextmanager
async def opened_storage(
    database: Database,
    account: str,
    login: Login,
    epoch: int,
    lease: LeaderLease,
    copying: anyio.CapacityLimiter | None = None,
) -> AsyncIterator[LedStorage]:
    """The storage of an account for its leader, as `lead_account` takes it.

    Args:
        database: Where.
        account: Whose keys are fenced (`fleet.keys.fence`).
        login: What `fence` has answered.
        epoch: Of this leadership.
        lease: Until when it may act.
        copying: See `LogStorage`.
    """
    stopped = threading.Event()
    database = replace(database, stopped=stopped.is_set)
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(PostgresLog(database, account, epoch))
        journal = stack.enter_context(PostgresJournal(database, account, epoch))
        statements = stack.enter_context(PostgresStatements(database, account, epoch))
        now_and_then = stack.enter_context(Link(database))
        snapshots = PostgresSnapshots(now_and_then, account, epoch)
        files = await stack.enter_async_context(PostgresFiles(database, account, epoch))
        record, key = (
            PostgresSmallFile(now_and_then, account, name, epoch) for name in (RECORD, APPROVAL_KEY)
        )
        keys = stack.enter_context(closing(PostgresKeys(database, login)))
        address = partial(_client_storage, database, account, login, epoch)
        yield LedStorage(
            LogStorage(log, journal, snapshots, copying),
            keys,
            partial(anyio.to_thread.run_sync, address),
            record,
            LedgerStorage(statements, key),
            files,
            lease,
            stopped.set,
        )


def _client_storage(database: Database, account: str, login: Login, epoch: int) -> ClientStorage:
    """End what the former client has left in the database; where the next one goes.

    Raises:
        Fenced: The account has a newer leader, whose client is left alone.
        Refused: The database refuses a statement.
        Unavailable: The database does not answer.
    """
    try:
        with connect(database) as session:
            lease = lease_of(session, account)
            if lease is None or lease.epoch != epoch:
                raise Fenced("A newer leader of the account has raised its epoch.")
            terminate_backends(session, database, account)
            journal = journal_address(
                session, login, account, epoch, allow_asynchronous=database.allow_asynchronous
            )
            return ClientStorage(keys_address(session, login), journal)
    except psycopg.OperationalError:
        raise Unavailable("The database does not answer.") from None
    except psycopg.Error as error:
        raise Refused(f"The database refused a statement (SQLSTATE {error.sqlstate}).") from None
