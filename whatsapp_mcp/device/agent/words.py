"""Input of an agent's command: the messages that are orders and, apart from them, mere material.

Forwarded and quoted words are never an order, whoever passes them on: they come in a part of their own. Codes
are masked, but for what the owner wrote. Names that others chose are cut, and who is mentioned stands there
by number: a name is no way to give an order.
"""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from datetime import tzinfo
from typing import Any, Final, NamedTuple

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.jid import is_person, number_of
from whatsapp_mcp.models import (
    ChatFacts,
    HandOn,
    Message,
    MessageKind,
    ReadingKind,
    quote_is_strangers,
    words_are_strangers,
)
from whatsapp_mcp.policy import clean, clean_line, cut_name, mask_codes
from whatsapp_mcp.text.zone import local

_UNHEARD: Final = "[a voice note that was not transcribed]"


class AgentInput(NamedTuple):
    """The input that is handed to an agent's command.

    Attributes:
        document: For the command's standard input.
        has_order: Whether any word of it is an order.
        strangers: Whether some of the words may be a stranger's.
    """

    document: dict[str, Any]
    has_order: bool
    strangers: bool

    def encoded(self) -> bytes:
        """Encode the document as one line of JSON."""
        return json.dumps(self.document, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


async def words_of(
    archive: Archive,
    hand_on: HandOn,
    chat: ChatFacts,
    messages: Sequence[Message],
    zone: tzinfo,
    tainted: Container[str],
) -> AgentInput:
    """The words of messages that are handed on.

    Args:
        archive: Has the transcripts of voice notes.
        hand_on: The hand-on.
        chat: Its chat.
        messages: Its messages, in order.
        zone: The person's.
        tainted: WhatsApp's ids of sends whose words count as a stranger's.
    """
    entries: list[dict[str, Any]] = []
    material: list[dict[str, Any]] = []
    strangers = False
    for message in messages:
        text = await _text(archive, message)
        # What the owner passes on was written by others.
        text = text if chat.is_own and not message.forwarded else mask_codes(text)
        strangers |= words_are_strangers(message, tainted)
        head = _head(message, zone)
        (material if message.forwarded else entries).append(
            {**head, "how": "forwarded", "text": text} if message.forwarded else {**head, "text": text}
        )
        quote = message.quote
        if quote is not None and quote.text:
            strangers |= quote_is_strangers(quote, tainted)
            sender = _called(quote.sender_name or "", is_chosen=quote.stranger)
            words = {"how": "quoted", "from": sender, "text": mask_codes(clean(quote.text))}
            material.append({"ref": message.ref, **words})
    orders = [each["text"] for each in entries if each["text"]]
    document = {
        "id": hand_on.id,
        "chat": {
            "jid": chat.jid,
            "kind": chat.kind.value,
            "name": _chat_name(messages[-1]) if messages else "",
            "own": chat.is_own,
        },
        "text": "\n".join(orders),
        "messages": entries,
        "material": material,
    }
    return AgentInput(document, bool(orders), strangers)


def _head(message: Message, zone: tzinfo) -> dict[str, Any]:
    return {
        "ref": message.ref,
        "from": _called(message.sender_name, is_chosen=message.sender_stranger),
        "number": number_of(message.sender),
        "at": local(message.timestamp, zone).isoformat(timespec="seconds"),
        "kind": message.kind.value,
    }


async def _text(archive: Archive, message: Message) -> str:
    """Return the text of a message; for a voice note, its transcript."""
    if message.kind is not MessageKind.VOICE:
        return clean(message.text)
    reading = await archive.reading(message.ref)
    if reading is None or reading.kind is not ReadingKind.TRANSCRIPT:
        return _UNHEARD
    return clean(" ".join(passage.text for passage in reading.passages))


def _chat_name(message: Message) -> str:
    """Return the chat's name; a group's counts as chosen by others, since its author is unknown."""
    return _called(message.chat_name, is_chosen=message.chat_stranger or not is_person(message.chat))


def _called(name: str, *, is_chosen: bool) -> str:
    """A name that others may have chosen carries no message."""
    return cut_name(name) if is_chosen else clean_line(name)
