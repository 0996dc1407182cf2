"""The comparison at the end: what WhatsApp knows against what archive and outbox say, message by message."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.soak.traffic import Sent, Spoken
from whatsapp_mcp.models import SendStatus
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.simulator.people import Person

_NOT_HANDED_OVER: Final = "acknowledged by the client library and not handed over when its process ended"

LOST_AT_MOST: Final = 101
"""Messages that the library may have acknowledged and not handed over when its process ends."""
LOSS_WINDOW: Final = 5.0
"""Seconds before a client's end in which what it acknowledged can have been lost."""
ARRIVED: Final = frozenset({SendStatus.SENT, SendStatus.DELIVERED, SendStatus.READ})
ACCEPTED: Final = ARRIVED | {SendStatus.QUEUED, SendStatus.SENDING, SendStatus.UNKNOWN}


@dataclass
class Verdict:
    """What the comparison found.

    Attributes:
        unexplained: Sentences; there must be none.
        explained: By stated cause, the texts it stands for.
    """

    spoken: int = 0
    archived: int = 0
    asked: int = 0
    received: int = 0
    missing: int = 0
    doubled: int = 0
    states: Counter[str] = field(default_factory=Counter[str])
    explained: dict[str, list[str]] = field(default_factory=lambda: defaultdict[str, list[str]](list))
    unexplained: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class Row:
    """What the outbox says of a send."""

    send_id: int
    status: str
    message_id: str | None
    reason: str | None


@dataclass
class Kept:
    """What lies on disk: ids of messages by text, those that could not be decrypted, and the sends."""

    incoming: dict[str, list[str]] = field(default_factory=lambda: defaultdict[str, list[str]](list))
    own: dict[str, list[str]] = field(default_factory=lambda: defaultdict[str, list[str]](list))
    ids: Counter[str] = field(default_factory=Counter[str])
    sends: dict[str, list[Row]] = field(default_factory=lambda: defaultdict[str, list[Row]](list))
    gaps: list[str] = field(default_factory=list[str])


def kept_in(home: Path) -> Kept:
    """Read the archive of the default account."""
    kept = Kept()
    archive = AccountFolder("default", home / "accounts" / "default").archive_db
    with closing(sqlite3.connect(f"{archive.as_uri()}?mode=ro", uri=True)) as db:
        for text, wa_id, sender in db.execute("SELECT text, wa_id, sender_id FROM messages"):
            kept.ids[wa_id] += 1
            (kept.incoming if sender else kept.own)[text].append(wa_id)
        for send_id, request, status, message_id, reason in db.execute(
            "SELECT id, request, status, message_id, reason FROM outbox"
        ):
            text = json.loads(request)["content"]["text"]
            kept.sends[text].append(Row(send_id, status, message_id, reason))
        kept.gaps = [reason for (reason,) in db.execute("SELECT reason FROM gaps")]
    return kept


def compare(
    spoken: Sequence[Spoken], sent: Sequence[Sent], kept: Kept, client_ends: Sequence[float]
) -> Verdict:
    """Compare everything that was said with everything that is kept.

    Args:
        client_ends: When a client process ended, in the clock of `Spoken.at`.
    """
    verdict = Verdict(spoken=len(spoken), asked=len(sent))
    _compare_incoming(verdict, spoken, kept, client_ends)
    inboxes = _Inboxes()
    for each in sent:
        _compare_send(verdict, each, kept, inboxes)
    return verdict


def _compare_incoming(
    verdict: Verdict, spoken: Sequence[Spoken], kept: Kept, client_ends: Sequence[float]
) -> None:
    losses: Counter[float] = Counter()
    for message in spoken:
        found = kept.incoming.get(message.text, [])
        if len(found) == 1:
            verdict.archived += 1
        elif found:
            verdict.doubled += 1
            verdict.unexplained.append(f"{message.text} from {message.chat} is archived {len(found)} times")
        else:
            verdict.missing += 1
            cause = _loss(message, kept, client_ends, losses)
            if cause is None:
                verdict.unexplained.append(f"{message.text} from {message.chat} is missing: {message}")
            else:
                verdict.explained[cause].append(message.text)
    untold = verdict.explained.get(_NOT_HANDED_OVER)
    if untold and not kept.gaps:
        verdict.unexplained.append(f"{untold} were lost and the archive tells of no gap")


def _loss(message: Spoken, kept: Kept, client_ends: Sequence[float], losses: Counter[float]) -> str | None:
    """Why a message may be missing; None when it may not."""
    if message.acknowledged_at is None:
        return None
    if kept.ids[message.id]:
        return "the client library could not decrypt it; a placeholder stands in the archive"
    for end in client_ends:
        if end - LOSS_WINDOW <= message.acknowledged_at <= end + 1 and losses[end] < LOST_AT_MOST:
            losses[end] += 1
            return _NOT_HANDED_OVER
    return None


class _Inboxes:
    """How often each person got each text; one message id counts once, as on a real phone."""

    def __init__(self) -> None:
        self._counts: dict[Person, dict[str, set[str]]] = {}

    def ids(self, person: Person, text: str) -> set[str]:
        if person not in self._counts:
            counts = self._counts[person] = defaultdict[str, set[str]](set)
            for received in person.inbox:
                counts[received.text].add(received.id)
        return self._counts[person].get(text, set())


def _compare_send(verdict: Verdict, sent: Sent, kept: Kept, inboxes: _Inboxes) -> None:
    rows = kept.sends.get(sent.text, [])
    got = [inboxes.ids(person, sent.text) for person in sent.readers]
    verdict.received += sum(bool(ids) for ids in got)
    complain = verdict.unexplained.append
    told = [
        str(answer.data.get("status"))
        for answer in sent.answers
        if answer is not None and answer.error is None
    ]
    if any(len(ids) > 1 for ids in got):
        verdict.doubled += 1
        complain(f"{sent.text} arrived more than once: {got}, {rows}")
    if len(rows) > 1:
        complain(f"{sent.text} stands in the outbox {len(rows)} times: {rows}")
    if not rows:
        verdict.states["not accepted"] += 1
        if any(got):
            complain(f"{sent.text} arrived and is not in the outbox")
        if set(told) & ACCEPTED:
            verdict.missing += 1
            complain(f"{sent.text} was answered {told} and is not in the outbox")
        return
    row = rows[-1]
    verdict.states[row.status] += 1
    if row.status in ARRIVED:
        _compare_arrived(verdict, sent, row, kept, got)
    elif row.status == SendStatus.FAILED:
        if any(got):
            complain(f"{sent.text} has failed ({row.reason}) and arrived")
        if set(told) & ARRIVED:
            complain(f"{sent.text} was answered {told} and has failed ({row.reason})")
        verdict.explained[f"failed: {row.reason}"].append(sent.text)
    elif row.status == SendStatus.UNKNOWN:
        arrived = "arrived" if any(got) else "did not arrive"
        verdict.explained[f"unknown, {arrived}: {row.reason}"].append(sent.text)
    else:
        complain(f"{sent.text} is still {row.status}")


def _compare_arrived(verdict: Verdict, sent: Sent, row: Row, kept: Kept, got: list[set[str]]) -> None:
    complain = verdict.unexplained.append
    if not all(row.message_id in ids for ids in got):
        verdict.missing += 1
        complain(f"{sent.text} is {row.status} as {row.message_id} and arrived as {got}")
    if len(kept.own.get(sent.text, [])) != 1:
        complain(f"{sent.text} was sent and is archived as {kept.own.get(sent.text, [])}")
    for answer in sent.answers:
        if answer is not None and answer.error is None:
            told = answer.data.get("message_id")
            if told not in (None, row.message_id):
                complain(f"{sent.text} was answered with id {told} and went out as {row.message_id}")
