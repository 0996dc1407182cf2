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

from benchmarks.soak import words
from benchmarks.soak.traffic import Sent, Spoken
from whatsapp_mcp.archive.state import REACTIONS, Target, addons
from whatsapp_mcp.decoding.updates import OWNER
from whatsapp_mcp.models import SendStatus
from whatsapp_mcp.settings import AccountFolder
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.envelope import Received
from whatsapp_simulator.media_crypto import MediaError
from whatsapp_simulator.people import Person

_NOT_HANDED_OVER: Final = "acknowledged by the client library and not handed over when its process ended"
_UNDECRYPTABLE: Final = "the client library could not decrypt it; a placeholder stands in the archive"
_UNLINKED: Final = "a change made while unlinked: the simulated phone's history tells of messages only"
_NOT_REPEATED: Final = (
    "one reader's phone could not decrypt it and asked for it again, of a client that had not sent it"
)
_AGAIN: Final = "a change that means the same however often it is made, made again after its client had ended"

LOST_AT_MOST: Final = 101
"""Messages that the library may have acknowledged and not handed over when its process ends."""
LOSS_WINDOW: Final = 5.0
"""Seconds before a client's end in which what it acknowledged can have been lost."""
ARRIVED: Final = frozenset({SendStatus.SENT, SendStatus.DELIVERED, SendStatus.READ})
ACCEPTED: Final = ARRIVED | {SendStatus.QUEUED, SendStatus.SENDING, SendStatus.UNKNOWN}


@dataclass
class Verdict:
    """Result of the comparison.

    Attributes:
        kinds: How many of each kind were spoken and sent, as `spoken text`.
        unexplained: Sentences; there must be none.
        explained: By stated cause, the texts it stands for.
    """

    spoken: int = 0
    archived: int = 0
    asked: int = 0
    received: int = 0
    missing: int = 0
    doubled: int = 0
    kinds: Counter[str] = field(default_factory=Counter[str])
    states: Counter[str] = field(default_factory=Counter[str])
    explained: dict[str, list[str]] = field(default_factory=lambda: defaultdict[str, list[str]](list))
    unexplained: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class Row:
    """A send in the outbox."""

    send_id: int
    status: str
    message_id: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Message:
    """A message in the archive."""

    text: str
    own: bool
    revoked: bool


@dataclass
class Kept:
    """Data on disk: messages and reactions by WhatsApp's id, sends by their words."""

    messages: dict[str, list[Message]] = field(default_factory=lambda: defaultdict[str, list[Message]](list))
    reactions: dict[str, dict[bool, str]] = field(
        default_factory=lambda: defaultdict[str, dict[bool, str]](dict)
    )
    sends: dict[str, list[Row]] = field(default_factory=lambda: defaultdict[str, list[Row]](list))
    gaps: list[str] = field(default_factory=list[str])


def kept_in(home: Path) -> Kept:
    """Read the archive of the default account."""
    kept = Kept()
    archive = AccountFolder("default", home / "accounts" / "default").archive_db
    with closing(sqlite3.connect(f"{archive.as_uri()}?mode=ro", uri=True)) as db:
        for text, wa_id, sender, revoked in db.execute(
            "SELECT text, wa_id, sender_id, revoked_at FROM messages"
        ):
            kept.messages[wa_id].append(Message(text, sender == 0, revoked is not None))
        targets = [Target(*row) for row in db.execute("SELECT chat_id, wa_id, sender_id FROM messages")]
        for target, reactions in addons.current_addons(db, REACTIONS, targets).items():
            for one in reactions:
                kept.reactions[target.wa_id][one.person == OWNER] = one.says[0]
        for send_id, request, status, message_id, reason in db.execute(
            "SELECT id, request, status, message_id, reason FROM outbox"
        ):
            said = words.of_content(json.loads(request)["content"])
            kept.sends[said].append(Row(send_id, status, message_id, reason))
        kept.gaps = [reason for (reason,) in db.execute("SELECT reason FROM gaps")]
    return kept


def compare(
    wa: WhatsApp, spoken: Sequence[Spoken], sent: Sequence[Sent], kept: Kept, client_ends: Sequence[float]
) -> Verdict:
    """Compare everything that was said with everything that is kept.

    Args:
        client_ends: When a client process ended, in the clock of `Spoken.at`.
    """
    verdict = Verdict(spoken=len(spoken), asked=len(sent))
    verdict.kinds.update(f"spoken {each.kind}" for each in spoken)
    verdict.kinds.update(f"sent {each.kind}" for each in sent)
    _Incoming(verdict, kept, client_ends).compare(spoken)
    outgoing = _Outgoing(wa, verdict, kept, client_ends)
    for each in sent:
        outgoing.compare(each)
    return verdict


class _Incoming:
    """Comparison of what people sent with what is archived."""

    def __init__(self, verdict: Verdict, kept: Kept, client_ends: Sequence[float]) -> None:
        self._verdict = verdict
        self._kept = kept
        self._client_ends = client_ends
        self._losses: Counter[float] = Counter()

    def compare(self, spoken: Sequence[Spoken]) -> None:
        for each in spoken:
            if each.target is None:
                self._message(each)
            else:
                self._change(each, each.target)
        if len(self._losses) > len(self._kept.gaps):
            self._verdict.unexplained.append(
                f"{self._verdict.explained[_NOT_HANDED_OVER]} were lost at the ends of {len(self._losses)} "
                f"clients and the archive tells of {len(self._kept.gaps)} gaps"
            )

    def _message(self, message: Spoken) -> None:
        rows = self._kept.messages.get(message.id, [])
        if len(rows) > 1:
            self._verdict.doubled += 1
            self._complain(message, f"is archived {len(rows)} times")
        elif rows and rows[0].text in self._possible_texts(message):
            self._verdict.archived += 1
        elif rows and rows[0].text:
            self._complain(message, f"is archived as {rows[0]}")
        else:
            self._missing(message, "is missing", placeholder=bool(rows))

    def _possible_texts(self, message: Spoken) -> set[str]:
        change = message.change
        if change is None or change.kind == "reaction":
            return {message.text}
        return {message.text, change.text}

    def _change(self, change: Spoken, target: Spoken) -> None:
        rows = self._kept.messages.get(target.id, [])
        if len(rows) != 1:
            return  # the target's own loss is judged already
        match change.kind:
            case "edit":
                done = rows[0].text == change.text
            case "revoke":
                done = rows[0].revoked
            case _:
                done = self._kept.reactions[target.id].get(False) == change.text
        if done:
            self._verdict.archived += 1
        else:
            self._missing(
                change, f"({change.kind} of {target.text}) is not in the archive", placeholder=False
            )

    def _missing(self, message: Spoken, what: str, *, placeholder: bool) -> None:
        self._verdict.missing += 1
        cause = _UNDECRYPTABLE if placeholder else self._loss(message)
        if cause is None:
            self._complain(message, what)
        else:
            self._verdict.explained[cause].append(message.text or message.kind)

    def _complain(self, message: Spoken, what: str) -> None:
        acknowledged = f"{message.acknowledged_at:.2f}" if message.acknowledged_at else "never"
        self._verdict.unexplained.append(
            f"{message.kind} {message.text!r} ({message.id}) in {message.chat} {what}: "
            f"said at {message.at:.2f}, acknowledged {acknowledged}, orphan {message.orphan}"
        )

    def _loss(self, message: Spoken) -> str | None:
        """Why a message may be missing; None when it may not."""
        if message.orphan and message.target is not None:
            return _UNLINKED
        if message.acknowledged_at is None:
            return None
        if self._kept.messages.get(message.id):
            return _UNDECRYPTABLE
        for end in self._client_ends:
            if _was_in_hand(message.at, message.acknowledged_at, end) and self._losses[end] < LOST_AT_MOST:
                self._losses[end] += 1
                return _NOT_HANDED_OVER
        return None


def _was_in_hand(said: float, acknowledged: float, end: float) -> bool:
    """Return whether the client that ended may have held a message: decrypted, not yet handed over.

    It has acknowledged it, or its successor does, which cannot decrypt it again.
    """
    return end - LOSS_WINDOW <= acknowledged <= end + 1 or end - LOSS_WINDOW <= said <= end < acknowledged


class _Outgoing:
    """Comparison of what agents sent with what arrived, what is archived and what they were told."""

    def __init__(self, wa: WhatsApp, verdict: Verdict, kept: Kept, client_ends: Sequence[float]) -> None:
        self._wa = wa
        self._verdict = verdict
        self._kept = kept
        self._client_ends = client_ends
        self._inboxes: dict[Person, dict[str, dict[str, Received]]] = {}

    def compare(self, sent: Sent) -> None:
        verdict = self._verdict
        rows = self._kept.sends.get(sent.words, [])
        got = [self._got(person, sent.words) for person in sent.readers]
        if sent.target is not None or sent.kind == "reaction":
            got = self._once(sent, rows, got)
        verdict.received += sum(bool(each) for each in got)
        told = [
            str(answer.data.get("status"))
            for answer in sent.answers
            if answer is not None and answer.error is None
        ]
        if any(len(each) > 1 for each in got):
            verdict.doubled += 1
            self._complain(sent, f"arrived more than once: {[list(each) for each in got]}, {rows}")
        if len(rows) > 1:
            self._complain(sent, f"stands in the outbox {len(rows)} times: {rows}")
        if not rows:
            verdict.states["not accepted"] += 1
            if any(got):
                self._complain(sent, "arrived and is not in the outbox")
            if set(told) & ACCEPTED:
                verdict.missing += 1
                self._complain(sent, f"was answered {told} and is not in the outbox")
            return
        row = rows[-1]
        verdict.states[row.status] += 1
        if row.status in ARRIVED:
            self._arrived(sent, row, got)
        elif row.status == SendStatus.FAILED:
            if any(got):
                self._complain(sent, f"has failed ({row.reason}) and arrived")
            if set(told) & ARRIVED:
                self._complain(sent, f"was answered {told} and has failed ({row.reason})")
            verdict.explained[f"failed: {row.reason}"].append(sent.words)
        elif row.status == SendStatus.UNKNOWN:
            arrived = "arrived" if any(got) else "did not arrive"
            verdict.explained[f"unknown, {arrived}: {row.reason}"].append(sent.words)
        else:
            self._complain(sent, f"is still {row.status}")

    def _once(self, sent: Sent, rows: list[Row], got: list[dict[str, Received]]) -> list[dict[str, Received]]:
        """Reduce a change that arrived more than once to its last arrival, which equals the others."""
        if not any(len(each) > 1 for each in got):
            return got
        self._verdict.explained[_AGAIN].append(sent.words)
        last = rows[-1].message_id if rows else None
        return [{last: each[last]} if last in each else dict(list(each.items())[-1:]) for each in got]

    def _got(self, person: Person, said: str) -> dict[str, Received]:
        """Return a person's messages with these words; a message id counts once, as on a real phone."""
        if person not in self._inboxes:
            inbox = self._inboxes[person] = defaultdict[str, dict[str, Received]](dict)
            for received in person.inbox:
                if received.sender != self._wa.me.lid:
                    continue
                inbox[words.of_message(received.message)][received.id] = received
        return self._inboxes[person].get(said, {})

    def _arrived(self, sent: Sent, row: Row, got: list[dict[str, Received]]) -> None:
        missed = [
            person for person, each in zip(sent.readers, got, strict=True) if row.message_id not in each
        ]
        if missed:
            self._verdict.missing += 1
            if self._not_repeated(sent, row, missed):
                self._verdict.explained[_NOT_REPEATED].append(sent.words)
            else:
                self._complain(
                    sent, f"is {row.status} as {row.message_id} and arrived as {[*map(list, got)]}"
                )
        for answer in sent.answers:
            if answer is not None and answer.error is None:
                told = answer.data.get("message_id")
                if told not in (None, row.message_id):
                    self._complain(sent, f"was answered with id {told} and went out as {row.message_id}")
        if sent.file is not None:
            for received in (each[row.message_id] for each in got if row.message_id in each):
                if self._file_of(received) != sent.file:
                    self._complain(sent, f"arrived as {received.id} with another file")
        if not self._archived(sent, row):
            self._complain(sent, f"was sent as {row.message_id} and is not archived so")

    def _not_repeated(self, sent: Sent, row: Row, missed: Sequence[Person]) -> bool:
        """Check whether each of them asked for it again, and the client may have been another by then.

        The library remembers in memory alone what it has sent.
        """
        asked = [each.detail for each in self._wa.log if each.kind == "undecryptable"]
        return any(end > sent.at for end in self._client_ends) and all(
            any(
                detail.startswith(f"{row.message_id} from ") and f" at {person.lid}: " in detail
                for detail in asked
            )
            for person in missed
        )

    def _file_of(self, received: Received) -> bytes | None:
        try:
            return self._wa.media.open(received.message)
        except MediaError:
            return None

    def _archived(self, sent: Sent, row: Row) -> bool:
        kept = self._kept
        if sent.kind == "reaction":
            reacted_to = sent.arguments["message"]
            deleted = any(message.revoked for message in kept.messages.get(reacted_to, []))
            return kept.reactions[reacted_to].get(True) == (None if deleted else sent.arguments["emoji"])
        target = sent.target.message_id if sent.target else row.message_id
        found = [message for message in kept.messages.get(target or "", []) if message.own]
        if len(found) != 1:
            return False
        match sent.kind:
            case "edit":
                return found[0].text == sent.arguments["text"]
            case "revoke":
                return found[0].revoked
            case _:
                return sent.change is not None or found[0].text == sent.words

    def _complain(self, sent: Sent, what: str) -> None:
        self._verdict.unexplained.append(f"{sent.kind} {sent.words!r} {what}")
