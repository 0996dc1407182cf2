"""Access of an account's leader to the client library's tables in PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, LiteralString, TypeVar

import anyio
import anyio.to_thread
import psycopg
from psycopg import errors, sql

from whatsapp_fleet.database import Database, Session, connect
from whatsapp_fleet.keys.logins import Login, with_login
from whatsapp_fleet.keys.plain_tables import change, read
from whatsapp_mcp.jid import LID_SERVER, Jid
from whatsapp_mcp.storage import AppState, ChatKeys, KeysUnreadable, StorageError, StoredDevice

T = TypeVar("T")

_PATIENCE: Final = 5.0
"""Seconds in which an answer has to come; a send waits for two of them."""
_SYSTEM: Final = """
SELECT system_identifier::text || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
FROM pg_control_system()
"""
_DEVICE: Final = "SELECT jid, lid, push_name, registration_id FROM {keys}.whatsmeow_device"
# The library stores the identity key of a device again with each message from or to it, in a transaction of
# its own, which waits for the standby. With this trigger a key that is stored is not written again, and a
# transaction that has written nothing waits for nobody.
_SKIP_STORED: Final = """
CREATE TRIGGER skip_stored_identity BEFORE INSERT ON {keys}.whatsmeow_identity_keys
FOR EACH ROW EXECUTE FUNCTION whatsapp_mcp.skip_stored_identity()
"""
_SKIPS_STORED: Final = """
SELECT EXISTS (
    SELECT FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
    WHERE relname = 'whatsmeow_identity_keys' AND relnamespace = %s::regnamespace
        AND tgname = 'skip_stored_identity'
)
"""
_LOCK_LIMIT: Final = "SET LOCAL lock_timeout = '100ms'"
"""Limit of the wait for the lock that a trigger takes: the library's statements queue behind a waiter."""
_LID: Final = "SELECT lid FROM {keys}.whatsmeow_lid_map WHERE pn = %(user)s"
_APP_STATE: Final = """
SELECT EXISTS (SELECT FROM {keys}.whatsmeow_app_state_sync_keys),
    EXISTS (SELECT FROM {keys}.whatsmeow_contacts WHERE full_name > '')
"""
_RESET: Final = """
WITH of_it AS (
    DELETE FROM {keys}.whatsmeow_app_state_mutation_macs
    WHERE name = 'critical_unblock_low'
        AND NOT EXISTS (SELECT FROM {keys}.whatsmeow_contacts WHERE full_name > '')
)
DELETE FROM {keys}.whatsmeow_app_state_version
WHERE name = 'critical_unblock_low'
    AND NOT EXISTS (SELECT FROM {keys}.whatsmeow_contacts WHERE full_name > '')
"""
_DROP: Final = """
DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = {schema} LOOP
        EXECUTE format('DROP TABLE %I.%I CASCADE', {schema}, name);
    END LOOP;
END $$
"""
_ID: Final = "SELECT message_id FROM {keys}.whatsmeow_message_secrets WHERE key = %(secret)s"
_USERS: Final = """
WITH users AS (
    SELECT lid AS name FROM {keys}.whatsmeow_lid_map WHERE %(user)s IN (lid, pn)
    UNION SELECT pn FROM {keys}.whatsmeow_lid_map WHERE %(user)s IN (lid, pn)
    UNION SELECT %(user)s
)
"""
# One question instead of one for each user: each waits for the network.
_SESSIONS: Final[LiteralString] = f"""{_USERS}
SELECT users.name, their_id, session FROM users LEFT JOIN {{keys}}.whatsmeow_sessions
    ON our_jid IN (SELECT jid FROM {{keys}}.whatsmeow_device) AND their_id ~ ('^' || users.name || '[_:.]')
"""  # noqa: S608  constants alone
_OWN_KEYS: Final[LiteralString] = f"""{_USERS}
SELECT users.name, sender_id, sender_key FROM users LEFT JOIN {{keys}}.whatsmeow_sender_keys
    ON our_jid IN (SELECT jid FROM {{keys}}.whatsmeow_device) AND chat_id = %(chat)s
    AND sender_id ~ ('^' || users.name || '[_:.]')
"""  # noqa: S608  constants alone
_NAMED_IN: Final = """
SELECT chat_jid, sender_jid FROM {keys}.whatsmeow_message_secrets WHERE message_id = %(message)s
"""
# Rows have no number; where one lies is roughly when it was written.
_SENDER_IN: Final = """
SELECT * FROM (
    SELECT message_id, sender_jid FROM {keys}.whatsmeow_message_secrets WHERE chat_jid = %(chat)s
    ORDER BY message_id = %(message)s DESC, ctid DESC LIMIT 1
) AS last
"""


class PostgresKeys:
    """The keys of one account in PostgreSQL, for its leader: a `storage.KeyStore`.

    Args:
        database: Where.
        login: The account's own in the epoch of the leader, see `with_login`: nothing here is read or
            written with other rights, or once a newer leader has come.
    """

    def __init__(self, database: Database, login: Login) -> None:
        self._database = with_login(database, login)
        self._schema = login.schema
        # A thread of its own: the shared ones could all be waiting for a database that does not answer.
        self._thread = anyio.CapacityLimiter(1)
        self._turn = threading.Lock()
        self._session: Session | None = None
        self._system: str | None = None
        self._skips_stored = False

    def system(self) -> str | None:
        """Return the system of the connection that was last read over; see `KeyStore.system`."""
        return self._system

    def close(self) -> None:
        """Close the connection; a later call opens it again."""
        with self._turn:
            self._drop()

    async def device(self) -> StoredDevice | None:
        """Return the device whose keys are stored; None if there is none."""

        def look(session: Session) -> list[tuple[Any, ...]]:
            try:
                devices = read(session, self._schema, _DEVICE)
            except errors.UndefinedTable:  # no client has ever run
                return []
            if devices and not self._skips_stored:
                self._skips_stored = _skip_stored(session, sql.Identifier(self._schema))
            return devices

        rows = await self._run(look)
        return StoredDevice.from_row(*rows[0]) if rows else None

    async def lid_of(self, jid: Jid) -> str | None:
        """Return the LID of a phone number's address; None if the library has not learned it."""
        rows = await self._rows(_LID, user=jid.user)
        return str(Jid(rows[0][0], LID_SERVER)) if rows else None

    async def app_state(self) -> AppState:
        """Return what the library has fetched of the phone's app state."""
        [row] = await self._rows(_APP_STATE)
        return AppState(*row)

    async def reset_address_book(self) -> bool:
        """Forget the version of an address book whose contacts were never stored; True if there was one."""

        def reset(session: Session) -> bool:
            try:
                return change(session, self._schema, _RESET) > 0
            except errors.UndefinedTable:
                return False

        return await self._run(reset)

    async def forget(self) -> None:
        """Delete the keys; the schema and its role stay."""
        drop = sql.SQL(_DROP).format(schema=sql.Literal(self._schema))
        await self._run(lambda session: session.execute(drop))

    async def message_id(self, secret: bytes) -> str | None:
        """Return the id that the library has given the message with this secret."""
        rows = await self._rows(_ID, secret=secret)
        return rows[0][0] if rows else None

    async def sessions(self, user: str) -> ChatKeys:
        """Return the sessions with a person, of whom one user is known."""
        return _chat_keys(await self._rows(_SESSIONS, user=user))

    async def own_keys(self, chat: str, user: str) -> ChatKeys:
        """Return the own keys to a group or to status posts; one own user is known."""
        return _chat_keys(await self._rows(_OWN_KEYS, user=user, chat=chat))

    async def named_in(self, message_id: str) -> list[tuple[str, str]]:
        """Return chats and senders under which secrets of messages with this id are kept."""
        return [(chat, sender) for chat, sender in await self._rows(_NAMED_IN, message=message_id)]

    async def sender_in(self, chat: str, message_id: str) -> tuple[str, str] | None:
        """Return id and sender of this message, or else of a late one in the chat, if secrets are kept."""
        rows = await self._rows(_SENDER_IN, chat=chat, message=message_id)
        return (rows[0][0], rows[0][1]) if rows else None

    async def _rows(self, query: LiteralString, **values: object) -> list[tuple[Any, ...]]:
        return await self._run(lambda session: read(session, self._schema, query, **values))

    async def _run(self, work: Callable[[Session], T]) -> T:
        return await anyio.to_thread.run_sync(self._run_here, work, limiter=self._thread)

    def _run_here(self, work: Callable[[Session], T]) -> T:
        with self._turn:
            kept = self._session is not None
            try:
                return self._tried(work)
            except psycopg.OperationalError as error:
                self._drop()
                if not kept:
                    raise _unreadable(error) from None
            except psycopg.Error as error:
                raise _unreadable(error) from None
            # The server may have closed what was kept open. Each work may be repeated.
            try:
                return self._tried(work)
            except psycopg.Error as error:
                self._drop()
                raise _unreadable(error) from None

    def _tried(self, work: Callable[[Session], T]) -> T:
        if self._database.stopped():
            raise KeysUnreadable("Nothing more is asked of the database.")
        session = self._session or self._connected()
        session.deadline = self._database.monotonic() + _PATIENCE
        return work(session)

    def _connected(self) -> Session:
        try:
            session = connect(self._database, _PATIENCE)
        except StorageError as error:
            raise KeysUnreadable(str(error)) from error
        try:
            row = session.execute(_SYSTEM).fetchone()
        except BaseException:
            session.close()
            raise
        self._system = row[0] if row is not None else None
        self._session = session
        return session

    def _drop(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None


def _skip_stored(session: Session, schema: sql.Identifier) -> bool:
    """Ensure that a stored identity key is not written again; return False if the tables are in use.

    Whoever logs in asks for the device, so this is done for new tables, too.
    """
    try:
        with session.transaction():
            session.execute(_LOCK_LIMIT)
            if session.execute(_SKIPS_STORED, [schema.as_string(session)]).fetchone() == (False,):
                session.execute(sql.SQL(_SKIP_STORED).format(keys=schema))
    except (errors.LockNotAvailable, psycopg.ProgrammingError):
        return False
    return True


def _chat_keys(rows: list[tuple[Any, ...]]) -> ChatKeys:
    keys = [(user, address, bytes(key)) for user, address, key in rows if None not in (address, key)]
    return ChatKeys(
        sorted({user for user, _, _ in rows}), [(address, key) for _, address, key in sorted(keys)]
    )


def _unreadable(error: psycopg.Error) -> KeysUnreadable:
    kind = f"SQLSTATE {error.sqlstate}" if error.sqlstate else type(error).__name__
    return KeysUnreadable(f"The database of the keys does not answer as it should ({kind}).")
