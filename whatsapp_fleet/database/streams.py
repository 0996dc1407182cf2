"""Common base of journal and log: a head that fences and numbers, and appends that may be repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, LiteralString, Self

from psycopg import errors

from whatsapp_fleet.database.connections import Database, Link, Session
from whatsapp_fleet.protocol import Append, AppendOutcome, NextMove, Position, Stamp, is_rewound
from whatsapp_mcp.storage import Fenced, Rewound

_HEAD: Final = "SELECT epoch, seq FROM whatsapp_mcp.heads WHERE account = %(account)s AND stream = %(stream)s"
_CONFIRM: Final = """
UPDATE whatsapp_mcp.heads SET seq = seq
WHERE account = %(account)s AND stream = %(stream)s AND epoch = %(epoch)s RETURNING seq
"""
_MESSAGE: Final = "SELECT pg_logical_emit_message(true, 'whatsapp_mcp', '')"
_CLAIM: Final = """
UPDATE whatsapp_mcp.heads SET writer = writer + 1
WHERE account = %(account)s AND stream = %(stream)s AND epoch = %(epoch)s RETURNING writer
"""


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements of one kind of stream, with the parameters `account`, `epoch`, `stream` and their own.

    Attributes:
        append: Answers the `seq` of the last row, or no row where the head has another epoch.
        confirm: Commits a write that waits for the standby; answers the `seq` of the row with `n`, NULL where
            it is not there, or no row where the head has another epoch.
        stamp_at: `epoch` and `n` of the row with `seq`.
        constraint: What a stamp that is there already violates.
    """

    append: LiteralString
    confirm: LiteralString
    stamp_at: LiteralString
    constraint: str


class Stream:
    """The journal or the log of one account, as one leader sees it; usable from any thread.

    Writers of one epoch count up, so that each gives stamps of its own. The first append of a writer fences
    none that came before it: who starts one ends the former.

    Args:
        database: Where.
        account: Whose.
        name: `journal` or `log`.
        epoch: Of the leader.
        statements: Of this kind.
    """

    def __init__(
        self, database: Database, account: str, name: str, epoch: int, statements: Statements
    ) -> None:
        self._statements = statements
        self.about: Final = {"account": account, "stream": name, "epoch": epoch}
        self._epoch = epoch
        self._stamp: Stamp | None = None
        self._confirmed: tuple[Position, Stamp] | None = None
        self.link: Final = Link(database, self._compare)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self.link.close()

    def append(self, rows: int, values: Mapping[str, Any]) -> int:
        """Append that many rows with one statement; returns the `seq` of the last.

        Raises:
            Fenced, Rewound, Unavailable: As the interfaces of `storage` say.
        """
        return self.link.run(_Appending(self, rows, values).go_on)

    def confirmed_seq(self) -> int:
        """The `seq` of the last row; all rows are durable when this returns.

        Raises:
            Fenced, Rewound, Unavailable: As the interfaces of `storage` say.
        """
        return self.link.run(self.confirm)

    def confirm(self, session: Session) -> int:
        """Commit a write that waits for the standby; answers the `seq` of the last row."""
        return self.durably(session, _CONFIRM, self.about)

    def check_epoch(self, session: Session) -> None:
        """Raise `Fenced` if the epoch is over. It may be over the moment after."""
        row = session.execute(_HEAD, self.about).fetchone()
        if row is None or row[0] != self._epoch:
            raise fenced()

    def first_stamp(self, session: Session) -> Stamp:
        """The stamp before the first row of the next append."""
        if self._stamp is None:
            # One that a failover could take away might be given to another writer.
            self._stamp = Stamp.first(self._epoch, self.durably(session, _CLAIM, self.about))
        return self._stamp

    def send(self, session: Session, rows: int, values: Mapping[str, Any]) -> tuple[AppendOutcome, int]:
        """One attempt to append; its outcome, and the `seq` of the last row where it is there."""
        stamp = self.first_stamp(session)
        parameters = {**self.about, **values, "rows": rows, "n": stamp.n}
        session.warned = False
        try:
            row = session.execute(self._statements.append, parameters).fetchone()
        except errors.UniqueViolation as error:
            if error.diag.constraint_name != self._statements.constraint:
                raise
            return AppendOutcome.DUPLICATE, 0
        if row is None:
            return AppendOutcome.FENCED, 0
        return (AppendOutcome.WARNED if session.warned else AppendOutcome.COMMITTED), row[0]

    def send_confirm(self, session: Session, rows: int) -> tuple[AppendOutcome, int]:
        """Commit a write that waits for the standby, and look for the last row of an append once more."""
        parameters = {**self.about, "n": self.first_stamp(session).n + rows}
        seq = self.durably(session, self._statements.confirm, parameters)
        return (AppendOutcome.ABSENT, 0) if seq is None else (AppendOutcome.COMMITTED, seq)

    def appended(self, rows: int, seq: int) -> None:
        """Rows are durable: the next ones have the next stamps."""
        assert self._stamp is not None
        self._stamp = Stamp(self._epoch, self._stamp.n + rows)
        self._confirmed = Position(self._epoch, seq), self._stamp

    def durably(self, session: Session, statement: LiteralString, parameters: Mapping[str, Any]) -> Any:
        """Return the answer of a change of the head, once it is committed without a warning."""
        while True:
            session.warned = False
            row = session.execute(statement, parameters).fetchone()
            if row is None:
                raise fenced()
            if not session.warned:
                return row[0]

    def _compare(self, session: Session) -> None:
        """Compare a database that was connected again with what it has confirmed before."""
        if self._confirmed is None:
            return
        position, stamp = self._confirmed
        row = session.execute(_HEAD, self.about).fetchone()
        head = Position(*row) if row is not None else Position(-1, -1)
        parameters = {**self.about, "seq": position.seq}
        stamp_row = session.execute(self._statements.stamp_at, parameters).fetchone()
        if is_rewound(position, stamp, head, None if stamp_row is None else Stamp(*stamp_row)):
            raise Rewound(
                f"The database has {head.seq} rows of epoch {head.epoch}, and has confirmed {position.seq}"
                f" of epoch {position.epoch}."
            )


class _Appending:
    """One append, over as many connections as it takes."""

    def __init__(self, stream: Stream, rows: int, values: Mapping[str, Any]) -> None:
        self._stream = stream
        self._rows = rows
        self._values = values
        self._append = Append()
        self._sent = False
        self._seq = 0

    def go_on(self, session: Session) -> int:
        """Do what comes next until the rows are durable."""
        while self._append.move is not NextMove.HAND_OVER:
            if self._append.move is NextMove.END:
                raise fenced()
            self._append = self._append.after(self._move(session))
        self._stream.appended(self._rows, self._seq)
        return self._seq

    def _move(self, session: Session) -> AppendOutcome:
        if self._append.move is NextMove.CONFIRM:
            outcome, self._seq = self._stream.send_confirm(session, self._rows)
            return outcome
        again, self._sent = self._sent, True
        outcome, self._seq = self._stream.send(session, self._rows, self._values)
        if outcome is AppendOutcome.DUPLICATE and not again:
            raise Fenced("Another writer gives the stamps of this one.")
        return outcome


def await_standby(session: Session) -> None:
    """Return once all that this session has seen is durable.

    After a restart, or when a backend was terminated, rows are visible that no standby has. The commit of
    a message that nobody reads waits for all before it, and locks nothing.
    """
    while True:
        session.warned = False
        session.execute(_MESSAGE)
        if not session.warned:
            return


def change_fenced(statement: LiteralString, values: Mapping[str, Any], session: Session) -> None:
    """Commit a change of the leader, for good.

    Args:
        statement: Answers a row if the leader's epoch is the present one, and changes nothing otherwise.
        values: Its parameters.
        session: Over which it is done.

    Raises:
        Fenced: It answered none.
    """
    while True:
        session.warned = False
        if session.execute(statement, values).fetchone() is None:
            raise fenced()
        if not session.warned:
            return


def fenced() -> Fenced:
    """The error of a leader whose epoch is over."""
    return Fenced("A newer leader of the account has raised its epoch.")
