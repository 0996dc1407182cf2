"""What must hold after a run: nothing lost, nothing doubled, and every archive the same."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

from tests.archive.replaying import digests
from tests.fleet.chaos.figures import Fault
from tests.fleet.chaos.linking import LINKING
from tests.fleet.chaos.traffic import Said, Sent
from tests.fleet.chaos.whatsapp import Login
from tests.fleet.chaos.witness import KeyWriter, LeaseChange, stale_rows
from whatsapp_fleet.database import Reader, Session
from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.protobufs import Neonize
from whatsapp_mcp.settings import AccountFolder

MOST_LOST_A_KILL: Final = 102
"""Messages that the client library acknowledges before it hands them over (docs/fleet/fleet.md)."""
_SETTLED: Final = {"sent", "delivered", "read", "played"}
_BACKWARDS: Final = """
SELECT count(*) FROM (
    SELECT epoch, lag(epoch) OVER (PARTITION BY account ORDER BY seq) AS former FROM whatsapp_mcp.{table}
) AS pairs WHERE epoch < former
"""
_GAPS: Final = """
SELECT count(*) FROM (
    SELECT seq, lag(seq) OVER (PARTITION BY account ORDER BY seq) AS former FROM whatsapp_mcp.{table}
) AS pairs WHERE seq <> former + 1
"""


@dataclass
class Verdict:
    """What was found.

    Attributes:
        violations: What must not be, as sentences; empty where all holds.
        figures: What was counted, by its name.
    """

    violations: list[str] = field(default_factory=list[str])
    figures: dict[str, int] = field(default_factory=dict[str, int])

    def count(self, name: str, number: int, *, most: int | None = None) -> None:
        """Note a number, which must not be above `most`."""
        self.figures[name] = self.figures.get(name, 0) + number
        if most is not None and self.figures[name] > most:
            self.violations.append(f"{name}: {self.figures[name]}, at most {most}")


class ClientEnd(NamedTuple):
    """The end of a client process.

    Attributes:
        at: When the next one logged in; seconds since 1970.
        was_lost: Whether a fault ended it, and not its leader.
    """

    at: float
    was_lost: bool


def ends_of_clients(account: str, logins: Sequence[Login], faults: Sequence[Fault]) -> list[ClientEnd]:
    """The ends of all clients of an account but the last one."""
    return [
        ClientEnd(
            following.at,
            any(former.at < fault.at < following.at for fault in faults if account in fault.accounts),
        )
        for former, following in pairwise(logins)
    ]


def check_incoming(
    verdict: Verdict,
    said: Sequence[Said],
    archived: Mapping[str, Counter[str]],
    journaled: Mapping[str, set[str]],
    clients: Mapping[str, Sequence[ClientEnd]],
) -> None:
    """What was acknowledged is archived once; what was acknowledged and never journaled is counted.

    Args:
        verdict: Gets what is found.
        said: All of it was acknowledged.
        archived: The texts in each archive, and how often.
        journaled: The texts in each journal, or what is left of it.
        clients: Of each account, in order.
    """
    missing = [one for one in said if not archived[one.account][one.text]]
    verdict.count("messages in", len(said))
    verdict.count("archived twice", sum(archived[one.account][one.text] > 1 for one in said), most=0)
    verdict.count(
        "journaled and not archived", sum(one.text in journaled[one.account] for one in missing), most=0
    )
    verdict.count("acknowledged and not journaled", len(missing))
    # A message is of the client that ended next after it was written.
    ends = [next((end for end in clients[one.account] if end.at >= one.at), None) for one in missing]
    of_client = Counter((one.account, end) for one, end in zip(missing, ends, strict=True))
    spared = sum(end is None or not end.was_lost for end in ends)
    verdict.count("of these, though their client was not lost", spared, most=0)
    verdict.count("of these, most of one client", max(of_client.values(), default=0), most=MOST_LOST_A_KILL)


def check_outgoing(verdict: Verdict, sent: Sequence[Sent], outbox: Mapping[str, Mapping[str, str]]) -> None:
    """What was accepted has gone out, or is called unknown; nothing went out twice.

    Args:
        verdict: Gets what is found.
        sent: What was to be sent.
        outbox: The state of each send of an account, by its text.
    """
    verdict.count("sends accepted", sum(one.accepted for one in sent))
    verdict.count("sends given up", sum(not one.accepted for one in sent), most=0)
    arrived = Counter(received.text for one in {send.to for send in sent} for received in one.inbox)
    states = {one.text: outbox[one.account].get(one.text) for one in sent}
    accepted = [one for one in sent if one.accepted]
    verdict.count("accepted and not in the outbox", sum(states[one.text] is None for one in accepted), most=0)
    verdict.count("sent twice", sum(arrived[one.text] > 1 for one in sent), most=0)
    unknown = [one for one in sent if states[one.text] == "unknown"]
    verdict.count("sends left unknown", len(unknown))
    verdict.count("of these arrived", sum(arrived[one.text] for one in unknown))
    called_sent = [one for one in sent if states[one.text] in _SETTLED]
    verdict.count("called sent and not arrived", sum(not arrived[one.text] for one in called_sent), most=0)
    others = Counter(state for state in states.values() if state not in {*_SETTLED, "unknown", None})
    for state, number in others.items():
        verdict.count(f"sends left {state}", number, most=0)


def check_epochs(
    verdict: Verdict,
    session: Session,
    changes: Sequence[LeaseChange],
    writers: Sequence[KeyWriter],
    logins: Mapping[str, Sequence[Login]],
) -> None:
    """After the first login of a newer epoch nothing of an older one was accepted.

    Args:
        verdict: Gets what is found.
        session: Of the database.
        changes: Which node led which account from when on.
        writers: Who wrote keys when.
        logins: The logins of each account.
    """
    keys = stale = 0
    for change in changes:
        login = next((one for one in logins[change.account] if _of(one, change)), None)
        if login is not None:
            keys += sum(
                writer.account == change.account and writer.began < change.at and writer.last > login.at
                for writer in writers
            )
            stale += sum(
                one.at > login.at and one.node != change.node and not _is_followed(change, changes, one.at)
                for one in logins[change.account]
            )
    verdict.count("takeovers", sum(change.node != LINKING for change in changes))
    verdict.count("connections of an older epoch that wrote keys", keys, most=0)
    verdict.count("logins of an older epoch", stale, most=0)
    verdict.count("rows of an older epoch", stale_rows(session), most=0)
    for table in ("journal", "log", "ledger"):
        for name, statement in (("out of order", _BACKWARDS), ("missing", _GAPS)):
            row = session.execute(statement.format(table=table).encode()).fetchone()
            assert row is not None
            verdict.count(f"rows of the {table} {name}", row[0], most=0)


def _of(login: Login, change: LeaseChange) -> bool:
    """Whether it may be of the leader that began then."""
    return login.node == change.node and login.at > change.at


def _is_followed(change: LeaseChange, changes: Sequence[LeaseChange], until: float) -> bool:
    """Whether the account had a still newer epoch by then."""
    return any(
        one.account == change.account and one.epoch > change.epoch and one.at <= until for one in changes
    )


def archived_texts(folder: AccountFolder) -> Counter[str]:
    """How often each text is in an archive."""
    with closing(sqlite3.connect(folder.archive_db)) as db:
        return Counter(text for (text,) in db.execute("SELECT text FROM messages WHERE text <> ''"))


def outbox_states(folder: AccountFolder) -> dict[str, str]:
    """The state of each send, by its idempotency key."""
    with closing(sqlite3.connect(folder.archive_db)) as db:
        rows = db.execute("SELECT idempotency_key, status FROM outbox WHERE idempotency_key IS NOT NULL")
        return dict(rows.fetchall())


def journaled_texts(reader: Reader, account: str) -> set[str]:
    """The texts of the messages in a journal, or in what is left of it."""
    rows = reader.journal(account).read(0, 1 << 20)
    messages = [Neonize.Message.FromString(row.payload) for row in rows if row.code == EventCode.MESSAGE]
    return {one.Message.conversation for one in messages if one.Message.conversation}


def check_archives(verdict: Verdict, folders: Sequence[AccountFolder], what: str) -> None:
    """All these archives of one account are the same, in refs, outbox, feed and all else.

    Args:
        verdict: Gets what is found.
        folders: The first one is what the others are compared with.
        what: What the others are.
    """
    first, *others = (digests(folder) for folder in folders)
    verdict.count(f"{what} compared", len(others))
    verdict.count(f"{what} that differ", sum(other != first for other in others), most=0)
