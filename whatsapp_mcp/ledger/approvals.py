"""Acts that wait for a person, and what the person decided: the first decision is final, and used once."""

from __future__ import annotations

import hmac
import json
import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

from whatsapp_mcp.errors import Denied, InvalidArgument, RateLimited
from whatsapp_mcp.ledger.database import LedgerFile
from whatsapp_mcp.models import Approval, ApprovalState, ApprovalWay, Caller
from whatsapp_mcp.system import read_or_make

VALID: Final = timedelta(hours=1)
"""Time that a person has to decide."""
REFUSED_FOR: Final = timedelta(hours=1)
"""Time for which the same act is refused after a person denied it."""
MOST_OPEN: Final = 3
"""Questions of one caller that may wait for a person at a time: no other one is kept from asking."""
_KEY_BYTES: Final = 32
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""Letters and digits that are not mistaken for each other."""
_SEEN: Final = frozenset({"image", "sticker", "video", "gif"})
"""Kinds of files that a person can be shown before deciding."""
_COLUMNS: Final = """id, state, tool, client, question, reason, created_at, expires_at, decided_at, way,
 send_id, digest, seal, principal, operation, arguments, question_id"""

# Two questions about a send may be answered in one second: the one asked last is about what would go out now.
_NEWEST: Final = "ORDER BY decided_at DESC, created_at DESC, rowid DESC"


@dataclass(frozen=True, slots=True)
class HeldAct:
    """An act that waits, with what is needed to do it.

    Attributes:
        approval: What the person is asked.
        digest: Of all that the answer is about.
        principal: For whom it would be done.
        operation: The operation of the device.
        arguments: Its arguments as JSON; None once it is decided.
        question_id: WhatsApp's id of the message that asks on the person's phone.
        seal: Shows that this program wrote it.
    """

    approval: Approval
    digest: str
    seal: str
    principal: str
    operation: str
    arguments: dict[str, Any] | None
    question_id: str | None


@dataclass(frozen=True, slots=True)
class Question:
    """A question for a person, before it has an id.

    Attributes:
        lines: What would be done, for a person to read.
        reason: Why it is asked.
        digest, operation, arguments: As in `HeldAct`.
    """

    lines: tuple[str, ...]
    reason: str
    digest: str
    operation: str
    arguments: dict[str, Any]


class Approvals:
    """The questions of an account.

    Args:
        file: The ledger's.
        key: Where the key of the seals is kept; made where there is none.
    """

    def __init__(self, file: LedgerFile, key: Path) -> None:
        self._file = file
        self._key = read_or_make(key, secrets.token_bytes(_KEY_BYTES))

    async def hold(self, question: Question, caller: Caller, now: datetime) -> HeldAct:
        """Keep an act until a person has decided; one that waits already is answered as it is.

        Raises:
            Denied: A person said no to the same act within the last hour.
            RateLimited: Three questions of this caller are open.
        """

        def change(db: sqlite3.Connection) -> HeldAct:
            # What nobody decided in time is left to `expire`, whose caller ends the sends that it holds.
            waiting = self._one(
                db,
                "digest = ? AND principal = ? AND state IN ('open', 'approved') AND expires_at > ?",
                (question.digest, caller.principal, int(now.timestamp())),
            )
            if waiting is not None:
                return waiting
            _refuse_repeated(db, question.digest, now)
            _refuse_many(db, caller.principal, now)
            number = "".join(secrets.choice(_ALPHABET) for _ in range(6))
            expires = now + VALID
            db.execute(
                """INSERT INTO approvals (id, state, digest, seal, principal, client, tool, operation,
                arguments, question, reason, created_at, expires_at)
                VALUES (?, 'open', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                (
                    number,
                    question.digest,
                    self._seal(
                        ApprovalState.OPEN,
                        number,
                        question.digest,
                        caller.principal,
                        int(expires.timestamp()),
                    ),
                    caller.principal,
                    caller.client,
                    caller.tool or question.operation,
                    question.operation,
                    json.dumps(question.arguments),
                    json.dumps(question.lines),
                    question.reason,
                    int(now.timestamp()),
                    int(expires.timestamp()),
                ),
            )
            held = self._one(db, "id = ?", (number,))
            assert held is not None
            return held

        return await self._file.write(change)

    async def decide(self, number: str, approved: bool, way: ApprovalWay, now: datetime) -> HeldAct:
        """A person's answer; only the first counts, and only in time.

        Raises:
            InvalidArgument: There is no such question, or it is decided already.
        """

        def change(db: sqlite3.Connection) -> HeldAct:
            state = ApprovalState.APPROVED if approved else ApprovalState.DENIED
            held = self._get(db, number)
            is_over = held.approval.state is ApprovalState.OPEN and held.approval.expires_at <= now
            current_state = ApprovalState.EXPIRED if is_over else held.approval.state
            if current_state is not ApprovalState.OPEN:
                raise InvalidArgument(
                    f"Question {number} is {current_state} already.", "Nothing is to be done."
                )
            if not self._is_sealed(held):
                raise InvalidArgument(f"Question {number} was changed.", "Ask for the act again.")
            expires = int(held.approval.expires_at.timestamp())
            db.execute(
                "UPDATE approvals SET state = ?, decided_at = ?, way = ?, seal = ? WHERE id = ?",
                (
                    state.value,
                    int(now.timestamp()),
                    way,
                    # Sealed anew: a row in which somebody has written another state is no answer.
                    self._seal(state, number, held.digest, held.principal, expires),
                    number,
                ),
            )
            decided = self._get(db, number)
            if not approved:
                _forget(db, number)
            return decided

        return await self._file.write(change)

    async def use(self, number: str) -> bool:
        """Use a yes up; False if there is none that has not been used."""

        def change(db: sqlite3.Connection) -> bool:
            held = self._one(db, "id = ? AND state = 'approved'", (number,))
            if held is None or not self._is_sealed(held):
                return False
            db.execute("UPDATE approvals SET state = 'used' WHERE id = ?", (number,))
            _forget(db, number)
            return True

        return await self._file.write(change)

    async def void(self, number: str) -> None:
        """The act is no longer what was asked about, or its question was changed."""

        def change(db: sqlite3.Connection) -> None:
            db.execute(
                "UPDATE approvals SET state = 'void' WHERE id = ? AND state IN ('open', 'approved')",
                (number,),
            )
            _forget(db, number)

        await self._file.write(change)

    async def expire(self, now: datetime) -> tuple[HeldAct, ...]:
        """End what nobody has decided in time; answers these."""
        # Asked every few seconds: what changes nothing neither takes the lock nor a thread.
        if not self._file.read(lambda db: _is_any_over(db, now)):
            return ()

        def change(db: sqlite3.Connection) -> tuple[HeldAct, ...]:
            ended = _expire(db, now)
            return tuple(self._get(db, number) for number in ended)

        return await self._file.write(change)

    async def note_send(self, number: str, send_id: int) -> None:
        """The send that this question holds."""
        await self._update(number, "send_id", send_id)

    async def note_question(self, number: str, message_id: str) -> None:
        """The message that asks it on the person's phone."""
        await self._update(number, "question_id", message_id)

    def get(self, number: str) -> HeldAct:
        """One by its id.

        Raises:
            InvalidArgument: There is none.
        """
        return self._file.read(lambda db: self._get(db, number))

    def asked_by(self, message_id: str) -> HeldAct | None:
        """The one that a message on the person's phone asks."""
        return self._file.read(lambda db: self._one(db, "question_id = ?", (message_id,)))

    def found(self, digest: str, principal: str, now: datetime) -> HeldAct | None:
        """The question about such an act of a principal that is open, or approved and not used."""
        now_seconds = int(now.timestamp())
        return self._file.read(
            lambda db: self._one(
                db,
                "digest = ? AND principal = ? AND state IN ('open', 'approved') AND expires_at > ?",
                (digest, principal, now_seconds),
            )
        )

    def allowed(self, send_id: int, digest: str, principal: str) -> Approval | None:
        """A person's yes, used already, that let exactly this send go."""
        where = f"send_id = ? AND digest = ? AND principal = ? AND state = 'used' {_NEWEST}"
        held_acts = self._file.read(lambda db: self._all(db, where, (send_id, digest, principal)))
        return next((held.approval for held in held_acts if self._is_sealed(held)), None)

    def released(self, send_id: int) -> HeldAct | None:
        """The last yes that was used up to let a held send go."""
        where = f"send_id = ? AND state = 'used' {_NEWEST}"
        held_acts = self._file.read(lambda db: self._all(db, where, (send_id,)))
        return next((held for held in held_acts if self._is_sealed(held)), None)

    def open(self, now: datetime) -> tuple[HeldAct, ...]:
        """Return the acts that wait for a person, oldest first."""
        where = "state = 'open' AND expires_at > ? ORDER BY created_at, id"
        return self._file.read(lambda db: self._all(db, where, (int(now.timestamp()),)))

    def approved(self) -> tuple[HeldAct, ...]:
        """Return the acts that a person has approved and that are not done yet."""
        return self._file.read(lambda db: self._all(db, "state = 'approved' ORDER BY created_at", ()))

    async def _update(self, number: str, column: str, value: int | str) -> None:
        statement = f"UPDATE approvals SET {column} = ? WHERE id = ?"  # noqa: S608
        await self._file.write(lambda db: db.execute(statement, (value, number)))

    def _seal(self, state: ApprovalState, number: str, digest: str, principal: str, expires: int) -> str:
        text = json.dumps([state, number, digest, principal, expires])
        return hmac.digest(self._key, text.encode(), "sha256").hex()

    def _is_sealed(self, held: HeldAct) -> bool:
        expires = int(held.approval.expires_at.timestamp())
        approval = held.approval
        # A yes that is used is the same yes.
        state = ApprovalState.APPROVED if approval.state is ApprovalState.USED else approval.state
        expected = self._seal(state, approval.id, held.digest, held.principal, expires)
        return hmac.compare_digest(expected, held.seal)

    def _get(self, db: sqlite3.Connection, number: str) -> HeldAct:
        held = self._one(db, "id = ?", (number,))
        if held is None:
            raise no_such_question()
        return held

    def _one(self, db: sqlite3.Connection, where: str, values: tuple[Any, ...]) -> HeldAct | None:
        return next(iter(self._all(db, where, values)), None)

    def _all(self, db: sqlite3.Connection, where: str, values: tuple[Any, ...]) -> tuple[HeldAct, ...]:
        rows = db.execute(f"SELECT {_COLUMNS} FROM approvals WHERE {where}", values).fetchall()  # noqa: S608
        return tuple(_held(*row) for row in rows)


def _held(
    number: str, state: str, tool: str, client: str, question: str, reason: str, created: int, expires: int,
    decided: int | None, way: ApprovalWay | None, send_id: int | None,
    digest: str, seal: str, principal: str, operation: str, arguments: str | None, question_id: str | None,
) -> HeldAct:  # fmt: skip
    given = None if arguments is None else json.loads(arguments)
    approval = Approval(
        number,
        ApprovalState(state),
        tool,
        client,
        tuple(json.loads(question)),
        reason,
        datetime.fromtimestamp(created, UTC),
        datetime.fromtimestamp(expires, UTC),
        None if decided is None else datetime.fromtimestamp(decided, UTC),
        way,
        send_id,
        tuple(_pictures(given or {})),
    )
    return HeldAct(approval, digest, seal, principal, operation, given, question_id)


def _pictures(arguments: Mapping[str, Any]) -> Iterator[str]:
    """Paths of what a person can look at, in the arguments of an operation."""
    for name in ("change", "content", "file", "request"):
        if isinstance(inner := arguments.get(name), dict):
            yield from _pictures(cast("dict[str, Any]", inner))
    for file in arguments.get("files") or ():
        yield from _pictures(file)
    if arguments.get("kind") in _SEEN:
        yield arguments["path"]
    if photo := arguments.get("photo"):
        yield photo


def no_such_question() -> InvalidArgument:
    """The error of who names a question that is none, or none of theirs."""
    return InvalidArgument("There is no question of this id.", "Take the id from the answer that asked.")


_OVER: Final = "state IN ('open', 'approved') AND expires_at <= ?"


def _is_any_over(db: sqlite3.Connection, now: datetime) -> bool:
    over = f"SELECT EXISTS (SELECT 1 FROM approvals WHERE {_OVER})"  # noqa: S608
    return bool(db.execute(over, (int(now.timestamp()),)).fetchone()[0])


def _expire(db: sqlite3.Connection, now: datetime) -> list[str]:
    ended = [
        number
        for (number,) in db.execute(
            f"UPDATE approvals SET state = 'expired' WHERE {_OVER} RETURNING id",  # noqa: S608
            (int(now.timestamp()),),
        ).fetchall()
    ]
    for number in ended:
        _forget(db, number)
    return ended


def _forget(db: sqlite3.Connection, number: str) -> None:
    """Delete the words of an act that is decided."""
    db.execute("UPDATE approvals SET arguments = NULL, question = '[]' WHERE id = ?", (number,))


def _refuse_repeated(db: sqlite3.Connection, digest: str, now: datetime) -> None:
    since = int((now - REFUSED_FOR).timestamp())
    row = db.execute(
        "SELECT max(decided_at) FROM approvals WHERE digest = ? AND state = 'denied' AND decided_at > ?",
        (digest, since),
    ).fetchone()
    if row[0] is not None:
        raise Denied(
            "The user was asked for exactly this within the last hour and said no.",
            "Do not ask again; tell the user.",
            retry_after=row[0] - since,
        )


def _refuse_many(db: sqlite3.Connection, principal: str, now: datetime) -> None:
    (waiting, first) = db.execute(
        """SELECT count(*), min(expires_at) FROM approvals
        WHERE state = 'open' AND principal = ? AND expires_at > ?""",
        (principal, int(now.timestamp())),
    ).fetchone()
    if waiting >= MOST_OPEN:
        raise RateLimited(
            f"{waiting} questions of this application wait for the user already.",
            "Tell the user to answer them first.",
            retry_after=first - int(now.timestamp()),
        )
