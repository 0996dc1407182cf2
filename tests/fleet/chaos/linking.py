"""Accounts that are linked before a run begins, each by a client process with its keys in the database."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from tests.client.client_process import client_process
from tests.fleet.chaos.database import Cluster
from tests.fleet.chaos.witness import watch_keys
from whatsapp_fleet.cli import CLIENT
from whatsapp_fleet.database import (
    MIGRATIONS,
    Database,
    Session,
    add_account,
    begin_run,
    connect,
    end_run,
    lease_of,
)
from whatsapp_fleet.keys import fence, journal_address, keys_address, prepare
from whatsapp_mcp.client.client_storage import ClientStorage
from whatsapp_simulator.phone import Phone

LINKING: Final = "linking"
"""The node of the leader that links."""
_AT_ONCE: Final = 3


async def link_all(
    servers: Cluster, phones: Mapping[str, Phone], environment: Mapping[str, str], folder: Path
) -> None:
    """Make the accounts, link each phone, and let the database note who writes the keys."""
    database = Database(servers.url(servers.ports), patience=60.0)
    limiter = anyio.CapacityLimiter(_AT_ONCE)

    async def link(account: str, phone: Phone) -> None:
        async with limiter:
            await _link(database, account, phone, environment, folder / account)
            await anyio.to_thread.run_sync(servers.ask, partial(watch_keys, account=account))

    async with anyio.create_task_group() as tasks:
        for account, phone in phones.items():
            tasks.start_soon(link, account, phone)


async def _link(
    database: Database, account: str, phone: Phone, environment: Mapping[str, str], folder: Path
) -> None:
    await anyio.Path(folder).mkdir(parents=True)
    run = f"{LINKING} {secrets.token_hex(8)}"
    session = await anyio.to_thread.run_sync(connect, database)
    session.deadline = float("inf")
    try:
        storage = await anyio.to_thread.run_sync(_take, session, database, account, run)
        async with client_process(folder, environment, storage=storage, program=CLIENT) as client:
            await client.link(phone)
            companion = phone.companion
            assert companion is not None
            await phone.network.until(lambda: not companion.pending, 60)
        await phone.offline()
        await anyio.to_thread.run_sync(end_run, session, run)
    finally:
        session.close()


def _take(session: Session, database: Database, account: str, run: str) -> ClientStorage:
    add_account(session, account)
    prepare(session, account)
    begin_run(session, run, LINKING, MIGRATIONS[-1].version)
    seen = lease_of(session, account)
    assert seen is not None
    login = fence(session, database, account, seen, run)
    assert login is not None
    journal = journal_address(session, login, account, seen.epoch + 1)
    return ClientStorage(keys_address(session, login), journal)
