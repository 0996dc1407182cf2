"""Blobs of `ChatStorage.sqlite`: answered messages, reactions, polls, keys of files.

WhatsApp published none of their schemas. What is read here is what several people found in backups of their
own and agree about; whatever else is in a blob is left alone, and a value that does not look like what it has
to be is not believed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeGuard

from whatsapp_mcp.features.imports.foreign.database import TEXT
from whatsapp_mcp.features.imports.foreign.iphone import wire
from whatsapp_mcp.models import ForeignReaction, ForeignVote

_ID: Final = re.compile(r"[0-9A-Za-z_-]{4,64}")
_JID: Final = re.compile(r"[0-9A-Za-z_.:-]{1,64}@[a-z.]{1,32}")
_REACTIONS, _POLL = 7, 8
"""Fields of `ZWAMESSAGEINFO.ZRECEIPTINFO`."""
_MARKS: Final = {number: bytes([number << 3 | 2]) for number in (5, _REACTIONS, _POLL)}
"""The byte that a field begins with: most blobs have it nowhere, and need not be taken apart."""
_MOST_ADDONS: Final = 1_024
"""One of each of a full group."""
_MOST_OPTIONS: Final = 100


@dataclass(frozen=True, slots=True)
class Quote:
    """The message that one answers.

    Attributes:
        id: Its id.
        sender: Who wrote it; None in a chat with one person.
        text: What it said, where that is kept.
    """

    id: str
    sender: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Poll:
    """A poll: its question, its options, and who chose which."""

    question: str
    options: tuple[str, ...]
    votes: tuple[ForeignVote, ...]


def quote(metadata: object) -> Quote | None:
    """The message that is answered, of `ZWAMEDIAITEM.ZMETADATA`: its id in field 5, its sender in field 6.

    Field 19 holds a copy of it, whose text is in field 1.

    Raises:
        ValueError: It is no message.
    """
    if not _may_have(metadata, 5):
        return None
    fields = wire.fields(metadata)
    wa_id = wire.text(wire.first(fields, 5))
    if wa_id is None or not _ID.fullmatch(wa_id):
        return None
    copied, said = wire.first(fields, 19), None
    if isinstance(copied, bytes):
        try:
            said = wire.text(wire.first(wire.fields(copied), 1))
        except ValueError:
            said = None  # it has another form, which no one described
    return Quote(wa_id, jid(wire.first(fields, 6)), said[:TEXT] if said else None)


def reactions(receipts: object, at_ms: int) -> tuple[ForeignReaction, ...]:
    """The reactions of `ZRECEIPTINFO`: 7.1 of others, 7.2 of the owner; what was taken back has no emoji.

    Args:
        receipts: The blob.
        at_ms: When the message was written: for a reaction without a time.

    Raises:
        ValueError: It is no message.
    """
    results: list[ForeignReaction] = []
    for group in _parts(receipts, _REACTIONS):
        for number, value in wire.fields(group):
            if number not in (1, 2) or not isinstance(value, bytes):
                continue  # 7.3 counts the reactions of a channel, and names nobody
            entry = wire.fields(value)
            own = number == 2
            address = None if own else wire.first(entry, 2)
            sender, emoji = jid(address), wire.text(wire.first(entry, 2 if own else 3))
            if emoji is None or (address is not None and sender is None):
                continue
            reacted_at = _ms(wire.first(entry, 3 if own else 4), at_ms)
            results.append(ForeignReaction(sender, emoji[:TEXT], reacted_at))
    return tuple(results[:_MOST_ADDONS])


def poll(receipts: object, at_ms: int) -> Poll | None:
    """The poll of `ZRECEIPTINFO`, field 8: question, options, votes of others (5) and of the owner (6).

    Args:
        receipts: The blob.
        at_ms: When it was written: for a vote without a time.

    Raises:
        ValueError: It is no message.
    """
    content = next(_parts(receipts, _POLL), None)
    if content is None:
        return None
    fields = wire.fields(content)
    question = wire.text(wire.first(fields, 2))
    options = tuple(
        (wire.text(wire.first(wire.fields(value), 1)) or "")[:TEXT]
        for number, value in fields
        if number == 3 and isinstance(value, bytes)
    )
    if question is None or not 0 < len(options) <= _MOST_OPTIONS:
        return None
    votes = tuple(
        vote
        for number, value in fields
        if number in (5, 6) and isinstance(value, bytes)
        if (vote := _vote(wire.fields(value), number == 6, len(options), at_ms)) is not None
    )
    return Poll(question[:TEXT], options, votes[:_MOST_ADDONS])


def keys(blob: object) -> tuple[bytes | None, bytes | None]:
    """The key of a file and the digest of its encrypted form, of `ZWAMEDIAITEM.ZMEDIAKEY`: fields 1 and 2.

    Raises:
        ValueError: It is no message.
    """
    if not isinstance(blob, bytes) or not blob:
        return None, None
    fields = wire.fields(blob)
    return _digest(wire.first(fields, 1)), _digest(wire.first(fields, 2))


def jid(value: object) -> str | None:
    """An address, as text or as the bytes of one; None for what cannot be one."""
    text = wire.text(value) if isinstance(value, bytes) else value
    return text if isinstance(text, str) and _JID.fullmatch(text) else None


def _vote(entry: list[wire.Field], own: bool, options: int, at_ms: int) -> ForeignVote | None:
    sender = None if own else jid(wire.first(entry, 4))
    if sender is None and not own:
        return None
    chosen = {value for number, value in entry if number == 1 and isinstance(value, int) and value < options}
    return ForeignVote(sender, tuple(sorted(chosen)), _ms(wire.first(entry, 2), at_ms))


def _parts(blob: object, number: int) -> Iterator[bytes]:
    if _may_have(blob, number):
        for each, value in wire.fields(blob):
            if each == number and isinstance(value, bytes):
                yield value


def _may_have(blob: object, number: int) -> TypeGuard[bytes]:
    return isinstance(blob, bytes) and _MARKS[number] in blob


def _digest(value: int | bytes | None) -> bytes | None:
    return value if isinstance(value, bytes) and len(value) == 32 else None


def _ms(value: int | bytes | None, otherwise: int) -> int:
    """Milliseconds since 1970, of this century; else the other ones."""
    return value if isinstance(value, int) and 946_684_800_000 < value < 4_102_444_800_000 else otherwise
