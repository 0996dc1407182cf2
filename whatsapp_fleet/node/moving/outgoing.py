"""An account leaves the database of a fleet for the files of this computer.

It is copied into a folder that is no account's. Until `depart` has committed, the account is in the database
alone; from then on in that folder alone, and what is left to do is to give it its name.
"""

from __future__ import annotations

import shutil
from functools import partial

import anyio
import anyio.to_thread
import psycopg

from whatsapp_fleet.database import Database, Session
from whatsapp_fleet.keys import keys_address
from whatsapp_fleet.node.moving import contents
from whatsapp_fleet.node.moving.claims import (
    Claim,
    Former,
    claim_for_departure,
    connected,
    depart,
    forget_departed,
    former_of,
    give_back,
    has_happened,
)
from whatsapp_fleet.node.moving.incoming import STEP_LIMIT, Step
from whatsapp_fleet.node.moving.keys import key_tables, make_tables
from whatsapp_fleet.node.moving.records import MoveRecord, arrival_in
from whatsapp_mcp.errors import Busy, WhatsAppError
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import StorageError


class MoveOut:
    """One move out of a database.

    Args:
        folder: Where to: the account under its name, in a folder that is no account's yet.
        database: Where from.
        session: A connection to it.
    """

    def __init__(self, folder: AccountFolder, database: Database, session: Session) -> None:
        self._folder = folder
        self._database = database
        self._session = session
        self._claim: Claim | None = None
        self._former: Former | None = None
        self.record = MoveRecord.read(arrival_in(folder.path)) or MoveRecord.new()

    @property
    def steps(self) -> tuple[Step, ...]:
        """In their order."""
        return self.hold, self.take_keys, self.take_contents, self.take_files, self.depart

    async def run(self) -> None:
        """Do what is left of it.

        Raises:
            InvalidArgument: The database has no such account, or it is quarantined.
            Busy: It could not go on, and nobody leads the account there until a person releases it.
            StorageError, WhatsAppError, OSError, sqlite3.Error: It could not go on; the account is where it
                was.
        """
        name = self._folder.name
        if await anyio.to_thread.run_sync(has_happened, self._session, name, self.record.move):
            return
        try:
            for step in self.steps:
                await self._do(step)
        except BaseException as error:
            if await self._stays_drained() and isinstance(error, Exception):
                raise _drained(name, error) from error
            raise

    async def _do(self, step: Step) -> None:
        self._session.deadline = self._database.monotonic() + STEP_LIMIT
        await step()

    async def _stays_drained(self) -> bool:
        """Let the account be led there as before; whether it is drained there nevertheless."""
        if self._former is None:
            return False
        with anyio.CancelScope(shield=True):
            try:
                return await anyio.to_thread.run_sync(give_back, self._database, self._former) == "drained"
            except (StorageError, psycopg.Error):
                return True
        raise AssertionError("a shielded scope ends by its body alone")

    async def hold(self) -> None:
        """Wait until nobody leads the account, hold it, and begin with an empty folder."""
        name = self._folder.name
        self._former = await anyio.to_thread.run_sync(former_of, self._session, name)
        held = partial(claim_for_departure, self._session, self._database, self._former)
        self._claim = await anyio.to_thread.run_sync(held)
        await anyio.to_thread.run_sync(partial(shutil.rmtree, self._folder.path, ignore_errors=True))
        self._folder.create()
        self.record = MoveRecord.new(self._claim.settings)
        self.record.write(arrival_in(self._folder.path))

    @property
    def _held(self) -> Claim:
        assert self._claim is not None
        return self._claim

    async def take_keys(self) -> None:
        """Copy the keys."""
        claim, path = self._held, self._folder.client_db
        await make_tables(self._folder.client, keys_address(self._session, claim.login))
        async with key_tables(self._database, claim.login, STEP_LIMIT) as tables:
            taken = await anyio.to_thread.run_sync(tables.take, path)
            contents.require(taken == await anyio.to_thread.run_sync(tables.digests_of, path), "keys")

    async def take_contents(self) -> None:
        """Copy archive, journal, ledger and small files."""
        folder, claim = self._folder, self._held
        position = await contents.take_archive(folder, claim)
        await anyio.to_thread.run_sync(contents.take_journal, folder, claim, position)
        await contents.take_ledger(folder, claim)
        await anyio.to_thread.run_sync(contents.take_small_files, folder, claim)

    async def take_files(self) -> None:
        """Copy the files."""
        await contents.take_files(self._folder, self._held)

    async def depart(self) -> None:
        """Let nobody lead the account there any more."""
        await anyio.to_thread.run_sync(depart, self._held, self.record.move)


def _drained(name: str, error: Exception) -> Busy:
    why = f" {error.message}" if isinstance(error, WhatsAppError) else ""
    return Busy(
        f"{name} was not fetched, and is drained in the database: no node leads it.{why}",
        f"Run this again, or `whatsapp-mcp-fleet fleet release {name}`.",
    )


async def move_out(folder: AccountFolder, database: Database) -> MoveRecord:
    """Move an account out of a database; see `MoveOut`.

    Raises:
        Busy: The database does not answer.
    """
    async with connected(database) as session:
        move = MoveOut(folder, database, session)
        await move.run()
        return move.record


async def forget_there(name: str, database: Database, record: MoveRecord) -> None:
    """Delete what a database has kept of an account that a move has taken out; harmless once more.

    Raises:
        Busy: The database does not answer.
    """
    async with connected(database) as session:
        await anyio.to_thread.run_sync(forget_departed, session, database, name, record.move)
