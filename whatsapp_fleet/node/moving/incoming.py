"""An account leaves the files of this computer for the database of a fleet.

Each step may be done once more, and whoever runs it again after a kill does all of them. Until `arrive` has
committed, the account is in the folder alone; from then on in the database alone. Around that moment the
folder says that it may be gone, and no server starts on it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import anyio.to_thread

from whatsapp_fleet.database import Database, Session
from whatsapp_fleet.keys import keys_address
from whatsapp_fleet.node.moving import contents
from whatsapp_fleet.node.moving.claims import Claim, arrive, claim_for_arrival, connected, has_happened
from whatsapp_fleet.node.moving.keys import key_tables, make_tables
from whatsapp_fleet.node.moving.records import MoveRecord
from whatsapp_mcp.device.connection import FileKeys
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.settings import AccountFolder

Step = Callable[[], Awaitable[None]]
STEP_LIMIT: Final = 3600.0
"""Seconds in which the database has answered all statements of one step."""


class MoveIn:
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
        self._folder = folder
        self._database = database
        self._session = session
        self._settings = settings
        self._claim: Claim | None = None
        self._position = 0
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
            self._session.deadline = self._database.monotonic() + STEP_LIMIT
            await step()

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

    @property
    def _held(self) -> Claim:
        assert self._claim is not None
        return self._claim

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
