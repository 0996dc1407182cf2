"""Durable queue of messages handed on to agents, and the change of the archive up to which it was filled.

Both are written in one transaction, so a message is put into the queue exactly once, whichever process is
killed at whichever moment. A row is changed only from the state in which it was read.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from whatsapp_mcp.ledger.database import LedgerFile
from whatsapp_mcp.models import HandOn, HandOnState

MOST_REFS: Final = 50
"""Messages of one hand-on; more of them make another one, which goes out after it."""
_KEPT: Final = timedelta(days=30)
"""Time for which a row stays once it is answered or dropped."""
_OPEN: Final = "state NOT IN ('answered', 'dropped')"
"""As the index `handed_on_open` has it, so that SQLite uses that."""
_COLUMNS: Final = "id, chat, agent, refs, order_ref, began_at, at, state, tries, answer, reason, done_at"


class Incoming(NamedTuple):
    """A message that is to be handed on.

    Attributes:
        chat: Jid of its chat.
        agent: Whose it is.
        ref: The message.
        is_order: Whether it is more than material.
    """

    chat: str
    agent: str
    ref: int
    is_order: bool


class PhoneMessage(NamedTuple):
    """A message that the owner's phone wrote in the chat with oneself.

    Attributes:
        message_id: WhatsApp's id.
        text: What it says; empty for a voice note.
    """

    message_id: str
    text: str


class HandedOnRecord:
    """The queue of an account."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def up_to(self) -> int | None:
        """The change up to which messages were handed on; None before the first."""
        row = self._file.read(lambda db: db.execute("SELECT seq FROM handed_on_up_to").fetchone())
        return None if row is None else int(row[0])

    async def begin_at(self, seq: int | None) -> None:
        """Hand on nothing before this change; None: until it is begun again."""

        def change(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM handed_on_up_to")
            if seq is not None:
                db.execute("INSERT INTO handed_on_up_to VALUES (0, ?)", (seq,))

        await self._file.write(change)

    async def add(self, seq: int, messages: Sequence[Incoming], now: datetime) -> None:
        """Put messages into the queue, and note that everything up to this change was seen.

        A message joins what its chat has not handed over yet.
        """

        def change(db: sqlite3.Connection) -> None:
            done = db.execute("SELECT seq FROM handed_on_up_to").fetchone()
            if done is not None and done[0] >= seq:
                return  # another process was there first
            for message in messages:
                _add(db, message, _ms(now))
            db.execute("INSERT OR REPLACE INTO handed_on_up_to VALUES (0, ?)", (seq,))
            db.execute("DELETE FROM handed_on WHERE done_at < ?", (_ms(now - _KEPT),))

        await self._file.write(change)

    def open(self) -> list[HandOn]:
        """Return the hand-ons that are neither answered nor dropped, oldest first."""
        return self._select(f"WHERE {_OPEN} ORDER BY id")

    def get(self, number: int) -> HandOn | None:
        """One by its number."""
        return next(iter(self._select("WHERE id = ?", number)), None)

    def latest(self, chat: str, count: int) -> list[HandOn]:
        """The newest of a chat, the newest first."""
        return self._select("WHERE chat = ? ORDER BY id DESC LIMIT ?", chat, count)

    def answered_since(self, chat: str, since: datetime) -> list[HandOn]:
        """Return the hand-ons of a chat that were answered since a time, oldest first."""
        return self._select(
            "WHERE chat = ? AND state = 'answered' AND done_at >= ? ORDER BY id", chat, _ms(since)
        )

    def cost_since(self, since: datetime) -> float:
        """Return the total cost that runs have reported since a time."""
        row = self._file.read(
            lambda db: db.execute(
                "SELECT coalesce(sum(cost), 0) FROM handed_on WHERE coalesce(done_at, at) >= ?", (_ms(since),)
            ).fetchone()
        )
        return float(row[0])

    async def move(
        self,
        hand_on: HandOn,
        state: HandOnState,
        now: datetime,
        *,
        parts: Sequence[str] | None = None,
        cost: float = 0.0,
        reason: str = "",
        is_try: bool = False,
    ) -> bool:
        """Bring one from the state in which it was read into another; false if it is elsewhere by now.

        It is on the disk when this returns, and that the message was handed on as well: what an agent gets
        may be acted on, and an answer goes out. A power failure that took this back would have both done
        again.

        Args:
            hand_on: As it was read.
            state: The new state.
            now: When.
            parts: The answer that goes out.
            cost: What the run reported.
            reason: Why it is dropped.
            is_try: Whether a command is about to be run.
        """
        is_done = state in {HandOnState.ANSWERED, HandOnState.DROPPED}

        def change(db: sqlite3.Connection) -> bool:
            cursor = db.execute(
                # With the refs that were read: a message that joined since is not covered by the answer.
                """UPDATE handed_on SET state = ?, answer = ?, cost = cost + ?, reason = ?, tries = tries + ?,
                done_at = ? WHERE id = ? AND state = ? AND refs = ?""",
                (
                    state.value,
                    None if parts is None else json.dumps(list(parts)),
                    cost,
                    reason,
                    int(is_try),
                    _ms(now) if is_done else None,
                    hand_on.id,
                    hand_on.state.value,
                    json.dumps(list(hand_on.refs)),
                ),
            )
            return cursor.rowcount == 1

        return await self._file.write(change, synced=True)

    async def forget(self, chats: Collection[str] | None = None, before: datetime | None = None) -> None:
        """Drop what is open of messages that are deleted; what was not sent of an answer is not sent.

        Args:
            chats: The addresses of a chat; None: of all.
            before: Only what came before then.
        """
        where, values = _OPEN, list[Any]()
        if chats is not None:
            where += f" AND chat IN ({', '.join('?' * len(chats))})"
            values += chats
        if before is not None:
            where += " AND at < ?"
            values.append(_ms(before))
        await self._file.write(
            lambda db: db.execute(
                f"""UPDATE handed_on SET answer = NULL, state = 'dropped', reason = 'it was deleted',
                done_at = at WHERE {where}""",  # noqa: S608
                values,
            )
        )

    # What the owner's phone wrote in the chat with oneself.

    async def note_phone(self, messages: Collection[PhoneMessage], now: datetime) -> None:
        """Note that the owner's phone itself has just written these."""

        def change(db: sqlite3.Connection) -> None:
            rows = [(each.message_id, _ms(now), _hash(each.text)) for each in messages]
            db.executemany("INSERT OR IGNORE INTO phone_messages VALUES (?, ?, ?)", rows)
            db.execute("DELETE FROM phone_messages WHERE at < ?", (_ms(now - _KEPT),))

        await self._file.write(change)

    def is_of_phone(self, message_id: str, text: str) -> bool:
        """Return whether the owner's phone itself wrote the message, and its text is unchanged.

        Any device of the account can edit it, and so can an agent that holds one.
        """
        row = self._file.read(
            lambda db: db.execute(
                "SELECT text_hash FROM phone_messages WHERE message_id = ?", (message_id,)
            ).fetchone()
        )
        return row is not None and row[0] == _hash(text)

    def was_of_phone(self, message_id: str) -> bool:
        """Return whether the owner's phone itself wrote the message, whatever its text is now."""
        row = self._file.read(
            lambda db: db.execute(
                "SELECT 1 FROM phone_messages WHERE message_id = ?", (message_id,)
            ).fetchone()
        )
        return row is not None

    def _select(self, rest: str, *values: Any) -> list[HandOn]:
        rows = self._file.read(
            lambda db: db.execute(f"SELECT {_COLUMNS} FROM handed_on {rest}", values).fetchall()  # noqa: S608
        )
        return [_hand_on(*row) for row in rows]


def _add(db: sqlite3.Connection, message: Incoming, now_ms: int) -> None:
    row = db.execute(
        """SELECT id, refs, order_ref FROM handed_on WHERE chat = ? AND agent = ?
        AND state IN ('settling', 'waiting') ORDER BY id DESC LIMIT 1""",
        (message.chat, message.agent),
    ).fetchone()
    order = message.ref if message.is_order else None
    refs = [] if row is None else [each for each in json.loads(row[1]) if each != message.ref]
    if row is None or len(refs) >= MOST_REFS:
        db.execute(
            """INSERT INTO handed_on (chat, agent, refs, order_ref, began_at, at, state)
            VALUES (?, ?, ?, ?, ?, ?, 'settling')""",
            (message.chat, message.agent, json.dumps([message.ref]), order, now_ms, now_ms),
        )
        return
    db.execute(
        "UPDATE handed_on SET refs = ?, order_ref = ?, at = ?, state = 'settling' WHERE id = ?",
        (json.dumps([*refs, message.ref]), order or row[2], now_ms, row[0]),
    )


def _hand_on(
    number: int,
    chat: str,
    agent: str,
    refs: str,
    order_ref: int | None,
    began_at: int,
    last_at: int,
    state: str,
    tries: int,
    answer: str | None,
    reason: str,
    done_at: int | None,
) -> HandOn:
    return HandOn(
        number,
        chat,
        agent,
        tuple(json.loads(refs)),
        order_ref,
        _time(began_at),
        _time(last_at),
        HandOnState(state),
        tries,
        tuple(json.loads(answer)) if answer else (),
        reason,
        None if done_at is None else _time(done_at),
    )


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
