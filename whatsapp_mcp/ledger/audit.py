"""The audit: every act and every reading of a chat, in a chain that shows what was changed (`audit_chain`).

An act is written down before it is done, in the transaction that also checks the budgets. Nobody waits for
the rest: an outcome or a reading is written with the next act, within half a second at the latest, together
with others. Of an act whose process was killed before, the audit says that it was begun.
"""

from __future__ import annotations

import hmac
import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_bytes
from typing import Any, Final, Literal, NamedTuple

import anyio

from whatsapp_mcp.errors import Busy
from whatsapp_mcp.ledger import audit_chain
from whatsapp_mcp.ledger.audit_chain import Ends, Fault
from whatsapp_mcp.ledger.database import LedgerFile
from whatsapp_mcp.models import Caller, PastAct
from whatsapp_mcp.system import read_or_make

KEPT: Final = timedelta(days=400)
"""Time for which a row is kept."""
MOST: Final = 200_000
"""Rows that are kept; the oldest are dropped, some more at a time (`_ROTATE_EVERY`)."""
BATCH: Final = 0.4
"""Seconds in which outcomes and readings are gathered."""
LOOKED_AT: Final = 20_000
"""Rows among which those of a page are looked for."""
OUTCOME_WITHIN: Final = 2_000
"""Rows after an act among which its outcome is looked for."""
# Two questions: SQLite reads all rows for a minimum and a maximum in one.
_ENDS: Final = "SELECT (SELECT min(seq) FROM audit), (SELECT max(seq) FROM audit)"
_MOST_WAITING: Final = 10_000
"""Outcomes and readings that wait for a disk which takes nothing."""
_ROTATE_EVERY: Final = 256
"""Rows between two looks whether old ones are to be dropped."""
_COUNTED: Final = timedelta(days=1)
"""Time span over which budgets count."""
_ROW: Final = f"INSERT INTO audit ({audit_chain.COLUMNS}, text, hash) VALUES ({', '.join('?' * 22)})"  # noqa: S608

Kind = Literal["act", "outcome", "reading"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """The content of one audit row.

    Attributes:
        caller: For whom.
        operation: What, as the device or the archive names it.
        chats: Jids: to whom, or whose chats were read.
        refs: The messages that were read or are concerned.
        verdict, rule: The decision, and which rule made it.
        approval, way: The id of a person's answer, and the way by which it came.
        digest: Of the content.
        outcome: `begun`, `done`, or the code of an error.
        is_counted: Whether it counts for the budgets.
        is_new_chat: Whether this account had never written there before.
    """

    caller: Caller
    operation: str
    chats: tuple[str, ...] = ()
    refs: tuple[int, ...] = ()
    verdict: str = "allow"
    rule: str = ""
    approval: str | None = None
    way: str | None = None
    digest: str | None = None
    outcome: str = "done"
    is_counted: bool = False
    is_new_chat: bool = False


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A row as it is stored: what it says, and where in the chain it stands.

    Attributes:
        about: Of an outcome: the number of its act.
        text: The text of an act, where it is kept.
    """

    seq: int
    at: datetime
    kind: Kind
    entry: AuditEntry
    about: int | None = None
    text: str | None = None


class AuditPage(NamedTuple):
    """Some rows, newest first, and below which number the next page goes on; None on the last one."""

    rows: tuple[AuditRow, ...]
    following: int | None


class Audit:
    """The audit of an account, of which several processes write one chain.

    Args:
        file: The ledger's.
        key: Where the account's key is; made where there is none.
        now: The wall clock.
    """

    def __init__(self, file: LedgerFile, key: Path, now: Callable[[], datetime]) -> None:
        self._file = file
        self._key = read_or_make(key, token_bytes(32))
        self._now = now
        self._waiting: list[_New] = []
        self._guard = threading.Lock()
        self._noted = anyio.Event()

    async def begin(
        self,
        entry: AuditEntry,
        *,
        text: str | None = None,
        keep_text: bool = False,
        check: Callable[[Sequence[PastAct], PastAct], None] | None = None,
    ) -> int:
        """Write down an act that is about to be done; answers the number by which it ends.

        Args:
            entry: What is done; its outcome is set here.
            text: What it says.
            keep_text: Whether the text itself is kept.
            check: Given the counted acts of the last day and this one, raises what refuses it. No other act
                is written down in between.

        Raises:
            Busy: It could not be written, so it must not be done.
            WhatsAppError: What `check` raises; nothing is written.
        """
        now, mac = self._now(), self.mark(text)
        past = PastAct(now, entry.chats, entry.is_new_chat, mac)

        def checked(db: sqlite3.Connection) -> None:
            if check is not None:
                check(_counted(db, now - _COUNTED), past)

        begun = replace(entry, outcome="begun")
        return await self._write((now, "act", begun, None, mac, text if keep_text else None), checked)

    def end(self, seq: int, entry: AuditEntry, outcome: str = "done") -> None:
        """Note what became of an act; it is written within `BATCH`, or when the ledger is closed.

        Args:
            seq: The number of the act.
            entry: What was done.
            outcome: `done`, or the code of an error.
        """
        ended = AuditEntry(entry.caller, entry.operation, outcome=outcome)
        self._note((self._now(), "outcome", ended, seq, None, None))

    async def note(self, entry: AuditEntry) -> None:
        """Write down an act that ends here: it was refused, or a person is asked."""
        await self._write((self._now(), "act", entry, None, None, None))

    def read(self, entry: AuditEntry) -> None:
        """Note a reading; it is written within `BATCH`, or when the ledger is closed."""
        self._note((self._now(), "reading", entry, None, None, None))

    async def run(self, pause: Callable[[float], Any] = anyio.sleep) -> None:
        """Write down what is noted, batch by batch, until cancelled."""
        while True:
            await self._noted.wait()
            await pause(BATCH)
            self._noted = anyio.Event()
            await self.flush()

    async def flush(self) -> None:
        """Write what was noted by now; if that cannot be, it is tried again with the next."""
        batch = self._take()
        if batch:
            try:
                await self._file.write(lambda db: self._append(db, batch))
            except Busy as error:
                self._keep(batch, error)
            except BaseException:  # cancelled before it began
                self._put_back(batch)
                raise

    def close(self) -> None:
        """Write what was noted."""
        batch = self._take()
        if batch:
            try:
                self._file.write_here(lambda db: self._append(db, batch))
            except Busy as error:
                self._keep(batch, error)

    def past(self) -> list[PastAct]:
        """The counted acts of the last day, the oldest first."""
        since = self._now() - _COUNTED
        return self._file.read(lambda db: _counted(db, since))

    def mark(self, text: str | None) -> str | None:
        """Stands for a text: the same one is known again, and nobody can guess it from what is stored."""
        if text is None:
            return None
        plain = " ".join(text.casefold().split()).encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, b"text" + plain, "sha256").hex()

    def rows(self, since: datetime | None = None, limit: int | None = None) -> list[AuditRow]:
        """The rows since a time, or the newest of them, oldest first."""
        start = 0 if since is None else _millis(since)
        query = f"SELECT {audit_chain.COLUMNS}, text FROM audit WHERE at >= ? ORDER BY seq DESC LIMIT ?"  # noqa: S608
        rows = self._file.read(
            lambda db: db.execute(query, (start, -1 if limit is None else limit)).fetchall()
        )
        return [_row(*row) for row in reversed(rows)]

    def page(self, kinds: Sequence[Kind], limit: int, before: int | None = None) -> AuditPage:
        """Rows of these kinds among the `LOOKED_AT` newest with numbers below `before`, newest first."""
        places = ", ".join("?" * len(kinds))

        def read(db: sqlite3.Connection) -> AuditPage:
            first, last = db.execute(_ENDS).fetchone()
            if first is None:
                return AuditPage((), None)
            end = min(before if before is not None else last + 1, last + 1)
            floor = max(first, end - LOOKED_AT)
            query = f"""SELECT {audit_chain.COLUMNS}, text FROM audit WHERE seq >= ? AND seq < ?
            AND kind IN ({places}) ORDER BY seq DESC LIMIT ?"""  # noqa: S608
            rows = [_row(*row) for row in db.execute(query, (floor, end, *kinds, limit))]
            reached = rows[-1].seq if len(rows) == limit else floor
            return AuditPage(tuple(rows), reached if reached > first else None)

        return self._file.read(read)

    def outcomes(self, acts: Sequence[int]) -> dict[int, str]:
        """Return the outcomes of acts by number, for those with one in the `OUTCOME_WITHIN` next rows."""
        if not acts:
            return {}
        query = f"""SELECT about, outcome FROM audit WHERE seq > ? AND seq <= ? AND kind = 'outcome'
        AND about IN ({", ".join("?" * len(acts))})"""  # noqa: S608
        span = min(acts), max(acts) + OUTCOME_WITHIN
        return dict(self._file.read(lambda db: db.execute(query, (*span, *acts)).fetchall()))

    def verify(self) -> list[Fault]:
        """Return the faults of the chain; empty if it holds.

        Raises:
            Busy: The file cannot be read.
        """
        return self._file.read(lambda db: list(audit_chain.faults(db, self._key)))

    async def forget_texts(self, before: datetime | None = None) -> None:
        """Delete the texts that were kept (before a time, or all); the chain holds on."""
        where, values = ("", ()) if before is None else (" AND at < ?", (_millis(before),))
        change = f"UPDATE audit SET text = NULL WHERE text IS NOT NULL{where}"  # noqa: S608
        await self._file.write(lambda db: db.execute(change, values))

    def _note(self, new: _New) -> None:
        with self._guard:
            self._waiting.append(new)
        self._noted.set()

    async def _write(self, new: _New, check: Callable[[sqlite3.Connection], None] = lambda db: None) -> int:
        """Write a row down behind what waits, in one transaction with a check; answers its number."""
        waiting = self._take()

        def change(db: sqlite3.Connection) -> int:
            check(db)
            return self._append(db, [*waiting, new])

        try:
            return await self._file.write(change)
        except BaseException:
            self._put_back(waiting)
            raise

    def _take(self) -> list[_New]:
        with self._guard:
            waiting, self._waiting = self._waiting, []
        return waiting

    def _put_back(self, batch: list[_New]) -> int:
        """Let what could not be written wait again; answers how many rows are lost for lack of room."""
        if not batch:
            return 0
        with self._guard:
            # In front of what came later: the chain has the order in which things happened.
            kept = batch + self._waiting
            self._waiting = kept[:_MOST_WAITING]
        self._noted.set()
        return len(kept) - len(self._waiting)

    def _keep(self, batch: list[_New], error: Busy) -> None:
        lost = self._put_back(batch)
        logger.error(
            "audit: %d outcomes and readings cannot be written (%d are lost): %s", len(batch), lost, error
        )

    def _append(self, db: sqlite3.Connection, new: Sequence[_New]) -> int:
        """Add rows to the chain, in the writer's transaction; answers the number of the last."""
        ends, _ = audit_chain.read_ends(db)
        seq, before = ends.last_seq, ends.last_hash
        for at, kind, entry, about, mac, text in new:
            seq += 1
            caller = entry.caller
            text = None if text is None else _whole(text)
            text_hash = None if text is None else audit_chain.hash_of(text)
            row = [
                seq, _millis(at), kind, about, _whole(caller.principal), _whole(caller.client),
                _whole(caller.tool), entry.operation, json.dumps(entry.chats), json.dumps(entry.refs),
                entry.verdict, _whole(entry.rule), entry.approval, entry.way, entry.digest, entry.outcome,
                int(entry.is_counted), int(entry.is_new_chat), mac, text_hash,
            ]  # fmt: skip
            before = audit_chain.link(before, row)
            db.execute(_ROW, (*row, text, before))
        ends = replace(ends, last_seq=seq, last_hash=before)
        # A batch may step over the multiple itself.
        if seq % _ROTATE_EVERY < len(new):
            ends = _rotated(db, ends, self._now() - KEPT)
        audit_chain.write_ends(db, ends, self._key)
        return seq


_New = tuple[datetime, str, AuditEntry, int | None, str | None, str | None]
"""A row to be: time, kind, what it says, the act it is about, what stands for its text, its text."""


def _counted(db: sqlite3.Connection, since: datetime) -> list[PastAct]:
    query = "SELECT at, chats, new_chat, text_mac FROM audit WHERE counted = 1 AND at > ? ORDER BY at"
    rows = db.execute(query, (_millis(since),))
    return [PastAct(_time(at), tuple(json.loads(chats)), bool(new), mac) for at, chats, new, mac in rows]


def _rotated(db: sqlite3.Connection, ends: Ends, oldest: datetime) -> Ends:
    """Drop the rows that are too many or too old; the last of them is what the chain goes on from."""
    fresh = db.execute(
        "SELECT seq FROM audit WHERE at >= ? ORDER BY seq LIMIT 1", (_millis(oldest),)
    ).fetchone()
    cut = max(fresh[0] - 1 if fresh else 0, ends.last_seq - MOST)
    if cut <= ends.first_seq:
        return ends
    (before,) = db.execute("SELECT hash FROM audit WHERE seq = ?", (cut,)).fetchone()
    db.execute("DELETE FROM audit WHERE seq <= ?", (cut,))
    return replace(ends, first_seq=cut, first_hash=before)


def _row(
    seq: int, recorded_at: int, kind: Kind, about: int | None, principal: str,
    client: str, tool: str, operation: str, chats: str, refs: str, verdict: str, rule: str,
    approval: str | None, way: str | None,
    digest: str | None, outcome: str, counted: int, new_chat: int, _mac: str | None, _hash: str | None,
    text: str | None,
) -> AuditRow:  # fmt: skip
    entry = AuditEntry(
        Caller(principal, client, tool),
        operation,
        tuple(json.loads(chats)),
        tuple(json.loads(refs)),
        verdict,
        rule,
        approval,
        way,
        digest,
        outcome,
        bool(counted),
        bool(new_chat),
    )
    return AuditRow(seq, _time(recorded_at), kind, entry, about, text)


def _whole(text: str) -> str:
    """The text without halves of characters, which a client may send and SQLite does not store."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _millis(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _time(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC)
