"""A row of messages and its parts, put together as one `ForeignMessage`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from whatsapp_mcp.features.imports.foreign.android import kinds
from whatsapp_mcp.features.imports.foreign.android.notices import is_about_the_other, is_shown, notice
from whatsapp_mcp.features.imports.foreign.android.parts import Parts, Values
from whatsapp_mcp.features.imports.foreign.android.rows import Row, address, is_own, milliseconds, seconds
from whatsapp_mcp.features.imports.foreign.database import text_of
from whatsapp_mcp.features.imports.foreign.said import Said
from whatsapp_mcp.models import (
    ForeignMessage,
    ForeignReaction,
    ForeignReceipt,
    ForeignVote,
    MessageKind,
    Unreadable,
)

_NOTICE: Final = 6
"""The status of a notice."""
_DELIVERED, _PLAYED, _READ = 5, 8, 13
_FORWARDED: Final = 1
_QUOTE: Final = 500
_ID: Final = 128
_MENTIONS: Final = 1_024
_ADD_ONS: Final = 1_024
_ANSWERS: Final = (1, 2, 3)
"""Answers to an event: going, not going, maybe; kept as votes, in this order."""


def message_of(
    row: Row, parts: Parts, calls: dict[int, Values], media: kinds.Media | None = None
) -> ForeignMessage | Unreadable | None:
    """A message whose types are right; why there is none; or None for what a person is never shown.

    What must be there is, and what may be there is left out if it is not.

    Args:
        row: Of the messages.
        parts: What belongs to the messages around it.
        calls: Rows of the list of calls, by number.
        media: Its file, where the row says it.
    """
    if not isinstance(row.id, str) or row.from_me not in (0, 1, None):
        return Unreadable.DAMAGED if row.id is not None else Unreadable.NO_ID
    if not isinstance(row.kind, int):
        return Unreadable.DAMAGED
    chat, sent_at = address(row.chat), seconds(row.at)
    if chat is None:
        return Unreadable.NO_CHAT
    if sent_at is None:
        return Unreadable.NO_TIME
    action = _action(row, parts)
    if action is not None and not is_shown(action):
        return None
    sender = _sender(row, chat, action)
    if isinstance(sender, Unreadable):
        return sender
    said = _notice(row, parts, action, chat, sender) if action is not None else None
    return _whole(row, parts, calls, said or _said(row, parts, calls, media), (chat, sender, sent_at))


def _whole(
    row: Row, parts: Parts, calls: dict[int, Values], said: Said, head: tuple[str, str | None, int]
) -> ForeignMessage:
    """A message with all that belongs to it."""
    number, tables, (chat, sender, sent_at) = row.number, parts.one, head
    wa_id, revoked_at, edited_at_ms = row.id, None, None
    revoked, edit = tables["message_revoked"].get(number), tables["message_edit_info"].get(number)
    if revoked is not None or row.kind in kinds.REVOKED:
        # The row has the id of the deletion; the one of the message stands beside it.
        wa_id = text_of(revoked[0]) or wa_id if revoked else wa_id
        revoked_at = (seconds(revoked[1]) if revoked else None) or sent_at
        said = Said(MessageKind.TEXT)
    elif edit is not None:
        wa_id = text_of(edit[0]) or wa_id
        edited_at_ms = milliseconds(edit[1]) or milliseconds(edit[2]) or sent_at * 1000
    elif said.kind is MessageKind.CALL:
        wa_id = _call_id(row, parts, calls)
    details = dict(said.details or {})
    flagged = isinstance(row.flags, int) and bool(row.flags & _FORWARDED)
    return ForeignMessage(
        wa_id[:_ID],
        chat,
        sender,
        sent_at,
        said.kind,
        said.text,
        reply_to=_reply(row, parts, details),
        starred=row.starred == 1,
        forwarded=flagged or number in tables["message_forwarded"],
        view_once=row.kind in kinds.VIEW_ONCE or number in tables["message_view_once_media"],
        ephemeral=number in tables["message_ephemeral"],
        details=_mentioned(row, parts, details),
        file=said.file,
        edited_at_ms=edited_at_ms,
        revoked_at=revoked_at,
        reactions=_reactions(parts.reactions.get(number, ()), chat, sent_at),
        votes=_votes(number, parts, chat, sent_at),
        receipts=_receipts(row, parts, chat, sent_at),
    )


def _action(row: Row, parts: Parts) -> int | None:
    """The number of a notice's action; None for what is no notice, 0 for one that has none."""
    if row.kind in (kinds.TIMER, kinds.PRIVACY):
        return 56 if row.kind == kinds.TIMER else 91
    if row.kind != kinds.NOTICE and row.action is None:
        return None
    values = parts.one["message_system"].get(row.number)
    action = values[0] if values else row.action
    return action if isinstance(action, int) else 0


def _sender(row: Row, chat: str, action: int | None) -> str | Unreadable | None:
    """Return who wrote a message or caused a notice; None for the owner."""
    written = None if is_own(row.sender) else address(row.sender)
    if action is not None:
        # A notice is always from the owner, whoever did it; that stands beside it.
        if written is not None and written != chat:
            return written
        is_direct = not chat.endswith(("@g.us", "@broadcast", "@newsletter"))
        return chat if not row.from_me or (is_direct and is_about_the_other(action)) else None
    if row.from_me or is_own(row.sender):
        return None
    if chat.endswith(("@g.us", "@broadcast")):
        return written or Unreadable.NO_SENDER
    return chat


def _notice(row: Row, parts: Parts, action: int, chat: str, sender: str | None) -> Said:
    number = row.number
    about = parts.many["message_system_chat_participant"].get(number, ())
    people = [person for (value,) in about if (person := address(value))]
    changed = parts.one["message_system_number_change"].get(number, ())
    numbers = [result for value in changed if (result := address(value))]
    joined = parts.one["message_system_group"].get(number)
    result = notice(action, row.text, people, numbers, me=bool(joined and joined[0] == 1))
    if result is None:
        return Said(MessageKind.UNKNOWN, "", {"type": f"Android {kinds.NOTICE}/{action}"})
    text, mentions = result
    if text == "left" and sender not in (None, chat):
        text, mentions = f"left: @{(sender or '').partition('@')[0]}", (sender or "",)
    return Said(MessageKind.SYSTEM, text, {"mentions": list(mentions)} if mentions else None)


def _said(row: Row, parts: Parts, calls: dict[int, Values], media: kinds.Media | None) -> Said:
    """Return the content of a row that is not a notice."""
    number, kind, words = row.number, row.kind, text_of(row.text) or ""
    if kind == 0:
        return Said(MessageKind.TEXT, words)
    tables = parts.one
    if (media_values := tables["message_media"].get(number)) is not None:
        media = kinds.Media(*media_values)
    if kind in kinds.CALLS:
        return Said(MessageKind.CALL, "", _call(row, parts, calls, media))
    if kind in kinds.CONTACTS:
        cards = parts.many["message_vcard"].get(number) or parts.many["messages_vcards"].get(number)
        return kinds.contacts(cards or [(row.text,)], "")
    if kind in kinds.PLACES:
        in_row = (row.latitude, row.longitude, media.name if media else None, None)
        return kinds.place(kind, tables["message_location"].get(number) or in_row, words)
    if kind in kinds.POLLS:
        options = parts.many["message_poll_option"].get(number, ())
        return kinds.poll(options, tables["message_poll"].get(number), words)
    if kind == kinds.EVENT and (values := tables["message_event"].get(number)):
        return kinds.event(values, words)
    if kind == kinds.INVITE and (values := tables["message_group_invite"].get(number)):
        return kinds.invite(values, words)
    if kind == kinds.ALBUM and (values := tables["message_album"].get(number)):
        return kinds.album(values)
    if kind == kinds.WAITING:
        return Said(MessageKind.UNDECRYPTABLE)
    with_file = kinds.with_file(kind, row.origin, words, media or kinds.Media())
    if with_file is not None:
        return with_file
    if kind in kinds.TEXTS:
        return Said(MessageKind.TEXT, words)
    return Said(MessageKind.UNKNOWN, words, {"type": f"Android {kind}"})


def _call(row: Row, parts: Parts, calls: dict[int, Values], media: kinds.Media | None) -> dict[str, Any]:
    entry = _entry(row, parts, calls)
    if entry is not None:
        return kinds.call(*entry[1:])
    missed = parts.many["missed_call_logs"].get(row.number)
    if row.kind == kinds.MISSED_CALL:
        return kinds.call(missed[0][0] if missed else 0, result=2)
    return kinds.call(0, media.duration if media else None)


def _entry(row: Row, parts: Parts, calls: dict[int, Values]) -> Values | None:
    """The call's row in the list of calls: id, video, duration, result."""
    link = parts.one["message_call_log"].get(row.number)
    return calls.get(link[0]) if link and isinstance(link[0], int) else None


def _call_id(row: Row, parts: Parts, calls: dict[int, Values]) -> str:
    entry = _entry(row, parts, calls)
    wa_id = text_of(entry[0]) if entry is not None else None
    return (wa_id or row.id).removeprefix("call:")


def _reply(row: Row, parts: Parts, details: dict[str, Any]) -> str | None:
    """The id of the message that it answers; what it quotes of it becomes a detail."""
    quoted = parts.one["message_quoted"].get(row.number)
    if quoted is None:
        return text_of(row.reply_to)
    wa_id, text, from_me, sender = quoted
    if text_of(wa_id) is None:
        return None
    if words := text_of(text):
        details["quote"] = {"sender": None if from_me == 1 else address(sender), "text": words[:_QUOTE]}
    return wa_id[:_ID]


def _mentioned(row: Row, parts: Parts, details: dict[str, Any]) -> dict[str, Any]:
    mentions = parts.many["message_mentions"].get(row.number)
    people = [person for (value,) in mentions if (person := address(value))] if mentions else []
    if isinstance(row.mentions, str) and row.mentions:
        people = [person for part in row.mentions.split(",") if (person := address(part.strip()))]
    if people:
        details["mentions"] = people[:_MENTIONS]
    return details


def _person(from_me: Any, sender: Any, chat: str) -> tuple[bool, str | None]:
    """Return whether it is known who did something, and who; None for the owner."""
    if from_me == 1 or is_own(sender):
        return True, None
    person = address(sender)
    if person is None and not chat.endswith(("@g.us", "@broadcast", "@newsletter")):
        person = chat
    return person is not None, person


def _reactions(rows: Sequence[Values], chat: str, sent_at: int) -> tuple[ForeignReaction, ...]:
    reactions: list[ForeignReaction] = []
    for from_me, sender, emoji, time in rows[:_ADD_ONS]:
        known, person = _person(from_me, sender, chat)
        if known and isinstance(emoji, str) and emoji:  # an empty one was taken back
            reactions.append(ForeignReaction(person, emoji[:_ID], milliseconds(time) or sent_at * 1000))
    return tuple(reactions)


def _votes(number: int, parts: Parts, chat: str, sent_at: int) -> tuple[ForeignVote, ...]:
    votes: list[ForeignVote] = []
    places = {option: place for place, option in enumerate(parts.options.get(number, ()))}
    for from_me, sender, options, time in parts.votes.get(number, ())[:_ADD_ONS]:
        known, person = _person(from_me, sender, chat)
        chosen = tuple(sorted({places[option] for option in options if option in places}))
        if known:
            votes.append(ForeignVote(person, chosen, milliseconds(time) or sent_at * 1000))
    for from_me, sender, answer, time in parts.responses.get(number, ())[:_ADD_ONS]:
        known, person = _person(from_me, sender, chat)
        if known and answer in _ANSWERS:
            votes.append(ForeignVote(person, (answer - 1,), milliseconds(time) or sent_at * 1000))
    return tuple(votes)


def _receipts(row: Row, parts: Parts, chat: str, sent_at: int) -> tuple[ForeignReceipt, ...]:
    """Return receipts of the owner's message; a time that only the row's status tells is the message's."""
    if not row.from_me or row.status == _NOTICE:
        return ()
    rows = parts.many["receipt_user"].get(row.number)
    if rows:
        return tuple(
            ForeignReceipt(person, seconds(delivered), seconds(read), seconds(played))
            for reader, delivered, read, played in rows
            if (person := address(reader)) and not is_own(reader)
        )
    if chat.endswith(("@g.us", "@broadcast", "@newsletter")):
        return ()
    delivered, read, played = map(seconds, (row.delivered, row.read, row.played))
    if row.status in (_DELIVERED, _READ, _PLAYED):
        delivered = delivered or sent_at
        read = read or (sent_at if row.status != _DELIVERED else None)
        played = played or (sent_at if row.status == _PLAYED else None)
    return (ForeignReceipt(chat, delivered, read, played),) if delivered or read or played else ()
