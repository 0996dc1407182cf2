"""Storage of a linked device beside the archive, in the account's folder or in a database.

`ConnectionRecord` is what must outlive a leader about the connection (`link.json`): generation numbers, so
that they only grow; the resting states, so that the next leader fights no replaced session, waits out a ban
and keeps a pause; the count of failures, so that ten servers in turn do not each start from zero; the last
states, so that a person sees when the connection was down and why.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import anyio.to_thread

from whatsapp_mcp.client.client_storage import ClientStorage
from whatsapp_mcp.device.connection.keys import FileKeys
from whatsapp_mcp.device.connection.state import Connection
from whatsapp_mcp.models import ConnectionState
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import FileStore, JournalReader, KeyStore, PrivateFile, SmallFile

FILE_NAME: Final = "link.json"
STATES_KEPT: Final = 100
"""Past states that are kept; the oldest go."""

logger = logging.getLogger(__name__)


class PastState(NamedTuple):
    """A state of the connection, from when on it was, and why."""

    state: ConnectionState
    since: datetime
    reason: str | None


def past_states(folder: Path) -> tuple[PastState, ...]:
    """The last states of an account's connection, newest first; none where nothing is known."""
    try:
        kept = json.loads((folder / FILE_NAME).read_text(encoding="utf-8"))
        return tuple(
            PastState(ConnectionState(one["state"]), datetime.fromisoformat(one["since"]), one["reason"])
            for one in reversed(kept["history"])
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ()


def record_in(folder: Path) -> ConnectionRecord:
    """The record in the folder of an account."""
    return ConnectionRecord(PrivateFile(folder / FILE_NAME))


class ConnectionRecord:
    """Reads and writes `link.json`; also hands out generations (`Generations`).

    A write to a disk that is full is logged, and the next one replaces it: the connection has to go on.

    Args:
        file: The file.

    Attributes:
        loaded: What `load` has answered.
    """

    def __init__(self, file: SmallFile) -> None:
        self._file = file
        self.loaded: Connection | None = None
        self._kept: dict[str, Any] = {}
        self._history: list[dict[str, Any]] = []

    def load(self, now: datetime) -> Connection:
        """The connection as the last leader left it, without a client; a new one without a record.

        Raises:
            Unavailable: The record is in a database that does not answer.
        """
        try:
            content = self._file.read()
            connection = Connection(ConnectionState.UNLINKED, now) if content is None else self._read(content)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            logger.warning("connection: %s is recreated (%s)", FILE_NAME, type(error).__name__)
            # Seconds since 1970: above every number that was counted up by ones.
            connection = Connection(ConnectionState.OFFLINE, now, generation=int(now.timestamp()))
        self._kept = _kept(connection)
        if not connection.state.traits.rests:
            connection = replace(connection, state=ConnectionState.OFFLINE, since=now)
        self.loaded = connection
        return connection

    def _read(self, content: bytes) -> Connection:
        kept = json.loads(content)
        self._history = [one for one in kept["history"] if isinstance(one, dict)]
        return Connection(
            ConnectionState(kept["state"]),
            datetime.fromisoformat(kept["since"]),
            generation=int(kept["generation"]),
            reason=kept["reason"],
            until=datetime.fromisoformat(kept["until"]) if kept["until"] else None,
            failures=int(kept["failures"]),
        )

    async def save(self, connection: Connection) -> None:
        """Keep what must outlive this leader, if it has changed.

        Raises:
            LeadershipOver: The record is in a database, and this leader writes nothing more there.
        """
        # `following` may have counted on since this connection was read: a number must never be given again.
        kept = _kept(
            replace(connection, generation=max(connection.generation, self._kept.get("generation", 0)))
        )
        if kept != self._kept:
            self._kept = kept
            self._note(kept)
            await anyio.to_thread.run_sync(self._write)

    async def following(self) -> int:
        """The next generation, written before it is given out.

        Raises:
            LeadershipOver: As `save`.
        """
        self._kept["generation"] = self._kept.get("generation", 0) + 1
        await anyio.to_thread.run_sync(self._write)
        return self._kept["generation"]

    def _note(self, kept: dict[str, Any]) -> None:
        """Add a state to the history; the reason of the last one may still change."""
        entry = {name: kept[name] for name in ("state", "since", "reason")}
        if self._history and all(self._history[-1].get(name) == entry[name] for name in ("state", "since")):
            self._history.pop()
        self._history = [*self._history[1 - STATES_KEPT :], entry]

    def _write(self) -> None:
        try:
            record = {**self._kept, "history": self._history}
            self._file.write(json.dumps(record).encode())
        except OSError:
            logger.exception("connection: %s cannot be written", FILE_NAME)


def _kept(connection: Connection) -> dict[str, Any]:
    return {
        "state": connection.state.value,
        "since": connection.since.astimezone(UTC).isoformat(),
        "generation": connection.generation,
        "reason": connection.reason,
        "until": connection.until.isoformat() if connection.until else None,
        "failures": connection.failures,
    }


@dataclass(frozen=True, slots=True)
class LeaderLease:
    """The period in which a leader may act.

    Attributes:
        until: When it ends, unless it is renewed, in seconds of CLOCK_BOOTTIME.
        returns_after: Seconds after which a client that was replaced is started again, once. A client of an
            earlier leader, which had stood still, has ended by then.
    """

    until: Callable[[], float]
    returns_after: float


@dataclass(frozen=True, slots=True)
class DeviceStorage:
    """The storage of a linked device beside the archive.

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
