"""An account moves from the files of this computer to the database of a fleet, or back.

Each step may be done once more, and whoever runs it again after a kill does all of them. On the way in, the
account is in the folder alone until `arrive` has committed; from then on in the database alone. Around that
moment the folder says that it may be gone, and no server starts on it. On the way out it is copied into a
folder that is no account's. It is in the database alone until `depart` has committed; from then on in that
folder alone, and what is left to do is to give it its name.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Self

import anyio
import anyio.to_thread
import psycopg
from pydantic import TypeAdapter, ValidationError

from whatsapp_fleet.database import Database, Session
from whatsapp_fleet.keys import keys_address
from whatsapp_fleet.node.moving import contents
from whatsapp_fleet.node.moving.claims import (
    Claim,
    Former,
    arrive,
    claim_for_arrival,
    claim_for_departure,
    connected,
    depart,
    forget_departed,
    former_of,
    give_back,
    has_happened,
)
from whatsapp_fleet.node.moving.keys import key_tables, make_tables
from whatsapp_mcp.device.connection import FileKeys
from whatsapp_mcp.errors import Busy, InvalidArgument, WhatsAppError
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import StorageError
from whatsapp_mcp.system import write_private

Step = Callable[[], Awaitable[None]]
STEP_LIMIT: Final = 3600.0
"""Seconds in which the database has answered all statements of one step."""
ARRIVING: Final = ".arriving-"
"""Begins the name of a folder that an account is copied to; no account has such a name."""
_ARRIVAL: Final = "arrival.json"
_RECORD: Final = TypeAdapter(dict[str, str])


@dataclass(frozen=True, slots=True)
class MoveRecord:
    """One move.

    Attributes:
        move: Its name, which no other move has.
        settings: Of an account that arrives, as TOML.
    """

    move: str
    settings: str = ""

    @classmethod
    def new(cls, settings: str = "") -> Self:
        """A move that begins."""
        return cls(secrets.token_hex(16), settings)

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """The record in a file; None where there is none, or none that was written whole."""
        try:
            return cls(**_RECORD.validate_json(file.read_bytes()))
        except (FileNotFoundError, ValidationError, TypeError):
            return None

    def write(self, file: Path) -> None:
        """Write it, on the disk when this returns."""
        write_private(file, _RECORD.dump_json({"move": self.move, "settings": self.settings}), synced=True)


def arrival_in(folder: Path) -> Path:
    """Return the file in which a folder notes that its account comes from a database."""
    return folder / _ARRIVAL


class _Move:
    """One move: what both directions have."""

    def __init__(self, folder: AccountFolder, database: Database, session: Session) -> None:
        self._folder = folder
        self._database = database
        self._session = session
        self._claim: Claim | None = None

    @property
    def _held(self) -> Claim:
        assert self._claim is not None
        return self._claim

    async def _do(self, step: Step) -> None:
        self._session.deadline = self._database.monotonic() + STEP_LIMIT
        await step()


class MoveIn(_Move):
    """One move into a database; whoever runs it keeps everybody from leading the account meanwhile.

    Args:
        folder: The account's files.
        database: Where to.
        session: A connection to it.
        settings: Of the account, as TOML.

    Attributes:
        record: What the folder says of it.
    """

    def __init__(self, folder: AccountFolder, database: Database, session: Session, settings: str) -> None:
        super().__init__(folder, database, session)
        self._settings = settings
        self.record = MoveRecord.read(folder.moved) or MoveRecord.new()

    @property
    def steps(self) -> tuple[Step, ...]:
        """In their order."""
        return self.hold, self.put_keys, self.put_contents, self.put_files, self.close_folder, self.arrive

    async def run(self) -> None:
        """Do what is left of it.

        Raises:
            InvalidArgument: There is nothing to move, or the database has an account of this name.
            StorageError, WhatsAppError: It could not go on; the account is where it was.
        """
        if await anyio.to_thread.run_sync(has_happened, self._session, self._folder.name, self.record.move):
            return
        for step in self.steps:
            await self._do(step)

    async def hold(self) -> None:
        """Hold the account there, and delete what an earlier try has left."""
        name = self._folder.name
        _require_movable(self._folder)
        if await FileKeys(self._folder.client_db).device() is None:
            raise InvalidArgument(
                f"No phone is linked as {name}.", "Link it where it is to be led from now on."
            )
        held = partial(claim_for_arrival, self._session, self._database, name)
        self._claim = await anyio.to_thread.run_sync(held)
        # The account did not arrive by an earlier try, and cannot any more: its epoch is over.
        self._folder.moved.unlink(missing_ok=True)
        await anyio.to_thread.run_sync(self._claim.empty)

    async def put_keys(self) -> None:
        """Copy the keys."""
        claim, path = self._held, self._folder.client_db
        await make_tables(self._folder.client, keys_address(self._session, claim.login))
        async with key_tables(self._database, claim.login, STEP_LIMIT) as tables:
            given = await anyio.to_thread.run_sync(tables.put, path)
            contents.require(given == await anyio.to_thread.run_sync(tables.digests), "keys")

    async def put_contents(self) -> None:
        """Copy archive, journal, ledger and small files."""
        folder, claim = self._folder, self._held
        position = await contents.put_archive(folder, claim)
        await anyio.to_thread.run_sync(contents.put_journal, folder, claim, position)
        await contents.put_ledger(folder, claim)
        await anyio.to_thread.run_sync(contents.put_small_files, folder, claim)

    async def put_files(self) -> None:
        """Copy the files."""
        await contents.put_files(self._folder, self._held)

    async def close_folder(self) -> None:
        """Keep every server from the folder: from here on only the database knows where the account is."""
        await anyio.to_thread.run_sync(self.record.write, self._folder.moved)

    async def arrive(self) -> None:
        """Let the account be led there."""
        await anyio.to_thread.run_sync(arrive, self._held, self.record.move, self._settings)


def _require_movable(folder: AccountFolder) -> None:
    name = folder.name
    if folder.vault.exists:
        raise InvalidArgument(
            f"{name} is encrypted, with a key of this computer.",
            f"Run `whatsapp-mcp-fleet encryption disable --account {name}` first.",
        )


async def move_in(folder: AccountFolder, database: Database, settings: str) -> MoveRecord:
    """Move an account into a database; see `MoveIn`.

    Raises:
        Busy: The database does not answer.
    """
    async with connected(database) as session:
        move = MoveIn(folder, database, session, settings)
        await move.run()
        return move.record


def remove_keys(folder: AccountFolder) -> None:
    """Delete the keys of an account that is elsewhere."""
    for path in folder.client_db.parent.glob(f"{folder.client_db.name}*"):
        path.unlink()


class MoveOut(_Move):
    """One move out of a database.

    Args:
        folder: Where to: the account under its name, in a folder that is no account's yet.
        database: Where from.
        session: A connection to it.
    """

    def __init__(self, folder: AccountFolder, database: Database, session: Session) -> None:
        super().__init__(folder, database, session)
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
