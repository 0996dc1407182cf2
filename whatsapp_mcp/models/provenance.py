"""Provenance of a message's words: from a known author, or from a stranger.

Known is who stands in the phone's address book or was confirmed by a person (`Chat.stranger`). It is the
author who counts, not the sender: who passed something on did not write it.

And whom a message may name to somebody who knows its chat alone: a mention or a quote can hold any number.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from typing import Final

from whatsapp_mcp.jid import is_person
from whatsapp_mcp.models.file_readings import ReadingKind
from whatsapp_mcp.models.messages import Contact, LastMessage, Mention, Message, MessageKind, Quote

NOTICES: frozenset[MessageKind] = frozenset({MessageKind.SYSTEM, MessageKind.CALL})
"""Kinds whose texts are ours, about what somebody did."""
_PICTURES: Final = frozenset({MessageKind.IMAGE, MessageKind.VIDEO, MessageKind.GIF, MessageKind.STICKER})
_OF_OTHERS: Final = frozenset({"channel", "invite", "pack", "title"})
"""Details of what somebody else has named or described: a group, a channel, a pack of stickers, a product."""


def names_of_others(details: Mapping[str, object] | None) -> bool:
    """Return whether a message shows something its sender passes on, such as a group's name in an invite."""
    return details is not None and not _OF_OTHERS.isdisjoint(details)


def words_are_strangers(message: Message, tainted: Container[str] = ()) -> bool:
    """Return whether the words, the file and any other content of a message may be a stranger's.

    So are those of a channel, which anybody may have written, and what was sent from here by somebody who had
    read strangers' words. What was imported counts as its author's: a person was asked about each import, and
    told that whoever made the file can have made it up.

    Args:
        message: The message.
        tainted: WhatsApp's ids of such sends.
    """
    if message.forwarded:
        return True
    if message.from_me:
        return message.message_id in tainted
    if names_of_others(message.details):
        return True
    return message.sender_stranger or (message.sender == message.chat and not is_person(message.chat))


def file_words_are_senders(message: Message) -> bool:
    """Return whether text read in a message's file is the sender's own words, as its text is.

    A voice note is spoken by its sender. Anybody may have written a document that is sent, what stands in a
    picture, or what is said in a recording or a video.
    """
    return message.kind is MessageKind.VOICE


def file_words_are_strangers(message: Message, tainted: Container[str] = ()) -> bool:
    """Return whether text read in a message's file may be a stranger's words."""
    return not file_words_are_senders(message) or words_are_strangers(message, tainted)


def content_is_strangers(message: Message, mime_type: str, tainted: Container[str] = ()) -> bool:
    """Return whether the content of a file, as it is handed out, may hold a stranger's words.

    What is shown as a picture counts as its sender's while no words were recognised in it. So does the sound
    of a voice note. Anybody may have written or said whatever else is handed out, whoever sent it.

    Args:
        message: The message, as the archive has it.
        mime_type: Of what is handed out, by its content: of a still of a video that of a picture.
        tainted: WhatsApp's ids of sends whose words count as a stranger's.
    """
    family = mime_type.partition("/")[0]
    if message.kind in _PICTURES and family == "image":
        read = message.reading
        is_senders = read is None or read.kind is not ReadingKind.PICTURE or not read.passages
    else:
        is_senders = file_words_are_senders(message) and family == "audio"
    return not is_senders or words_are_strangers(message, tainted)


def quote_is_strangers(quote: Quote, tainted: Container[str] = ()) -> bool:
    """Return whether a quote may be a stranger's words; a quote of a message not in the archive may be."""
    return quote.ref is None or not quote.author_known or quote.message_id in tainted


def last_words_are_strangers(last: LastMessage, tainted: Container[str] = ()) -> bool:
    """Return whether the newest message of a chat may be a stranger's words."""
    if last.forwarded:
        return True
    if last.from_me:
        return last.message_id in tainted
    return names_of_others(last.details) or last.stranger or last.sender_name is None


def own_words(messages: Iterable[Message | LastMessage | None]) -> frozenset[str]:
    """WhatsApp's ids of the messages, among these and what they quote, that this account may have written."""
    ids: set[str] = set()
    for one in messages:
        said = one
        while said is not None:
            if said.from_me:
                ids.add(said.message_id)
            if isinstance(said, LastMessage):
                said = said.before
                continue
            if said.quote is not None:
                ids.add(said.quote.message_id)
            said = None
    return frozenset(ids)


def mention_keys(people: Iterable[Contact]) -> frozenset[str]:
    """Return the texts that follow the `@` where a message mentions any of these people."""
    forms = (form for one in people for form in (one.jid, one.lid, one.number) if form)
    return frozenset(form.removeprefix("+").partition("@")[0] for form in forms)


def name_only(message: Message, inside: Container[str]) -> None:
    """Leave out of a message what the archive calls people who are not in its chat.

    Who wrote it may have mentioned any number, and may say that anybody wrote what it quotes: their names
    would tell who is in the address book. Who is mentioned stays as the number in the text.

    Args:
        message: The message, which is changed.
        inside: The `mention_keys` of those who may be named; the owner always may.
    """
    message.mentions = _named_only(message.mentions, inside)
    # What the archive does not have is quoted as the reply tells it, with any author that it likes.
    if message.quote is not None and message.quote.ref is None:
        message.quote = replace(message.quote, sender_name=None)


def last_name_only(last: LastMessage, inside: Container[str]) -> None:
    """Apply `name_only` to the newest message of a chat."""
    last.mentions = _named_only(last.mentions, inside)
    if last.before is not None:
        last_name_only(last.before, inside)


def _named_only(mentions: Mapping[str, Mention] | None, inside: Container[str]) -> dict[str, Mention] | None:
    named = {key: one for key, one in (mentions or {}).items() if one.from_me or key in inside}
    return named or None
