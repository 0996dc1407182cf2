"""`Concerns`: what in that which would be seen wants a person's look, although whom it reaches would not.

It is a detector, not a wall: words that are put in another way pass it. So it looks at all that people would
see: what is forwarded as well as what an agent wrote, with what was recognised in files, names and topics of
groups, and what was sent to the chat just before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, cast

import anyio
import anyio.to_thread

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.clock import Clock
from whatsapp_mcp.device.files import readable
from whatsapp_mcp.device.guard.facts import look_at, message_with, openers_of_readers, words_of
from whatsapp_mcp.errors import MessageNotFound, WhatsAppError
from whatsapp_mcp.models import (
    Caller,
    ChatFacts,
    ContactCardContent,
    FileContent,
    ForwardContent,
    GroupChange,
    Message,
    MessageKey,
    MessageKind,
    ReadingKind,
    SendRequest,
    files_of,
)
from whatsapp_mcp.policy import UNSEEN, find_secret, has_code

MOST_FORWARDS: Final = 3
"""Forwards that are not asked about within `_FORWARDS_WITHIN`."""
_FORWARDS_WITHIN: Final = timedelta(hours=1)
_WINDOW: Final = timedelta(hours=1)
"""Time for which an earlier send counts as part of the current one."""
_WINDOW_CHARACTERS: Final = 4_000
"""Most characters of those sends, the last ones, that are looked at with it."""
_READ_CHARACTERS: Final = 50_000
"""Most characters of a file or a forwarded message that are compared."""
_READ_SECONDS: Final = 30.0
"""That a document may take; a file that is not read by then is not compared."""
_THIRD_PARTY: Final = frozenset({MessageKind.CONTACT, MessageKind.LOCATION, MessageKind.LIVE_LOCATION})


class Concerns:
    """Looks at what would be seen.

    Args:
        archive: Has what was said, read in files, and sent.
        clock: The leader's.
    """

    def __init__(self, archive: Archive, clock: Clock) -> None:
        self._archive = archive
        self._clock = clock
        self._reading = anyio.Lock()

    async def about(
        self, arguments: Mapping[str, Any], chats: Sequence[ChatFacts], caller: Caller
    ) -> list[str]:
        """Return the concerns about an operation's arguments, as clauses: "it has a card number in it".

        Args:
            arguments: By name.
            chats: Whom it reaches.
            caller: Who asks for it; what they sent to a chat before belongs to it.
        """
        request = arguments.get("request")
        if chats and all(chat.is_own for chat in chats):
            return []
        if isinstance(request, SendRequest):
            return await self._of_send(request, chats, caller)
        return await self._of_group(arguments)

    async def _of_send(self, request: SendRequest, chats: Sequence[ChatFacts], caller: Caller) -> list[str]:
        content, chat, concerns = request.content, chats[0].jid, list[str]()
        now = self._clock.now()
        sent = await self._archive.sent_before(chat, caller.principal, now - _WINDOW)
        before = " ".join(text for one in sent for text in words_of(one))[-_WINDOW_CHARACTERS:]
        concerns += await self._in_words(" ".join(words_of(content)), chat, "it", before)
        if isinstance(content, ContactCardContent) and content.number not in {each.number for each in chats}:
            concerns.append("it gives somebody's contact card to somebody else")
        forwarded = [await self._file(file, chat, concerns) for file in files_of(content)]
        if isinstance(content, ForwardContent):
            forwarded.append(await self._in_message(content.ref, chat, concerns))
        if any(forwarded) and await self._archive.forwards_since(now - _FORWARDS_WITHIN) >= MOST_FORWARDS:
            concerns.append(f"it is one of more than {MOST_FORWARDS} forwards within an hour")
        return concerns

    async def _of_group(self, arguments: Mapping[str, Any]) -> list[str]:
        """Return the concerns about the name, the topic and the photo of a group."""
        change, chat, concerns = arguments.get("change"), arguments.get("jid", ""), list[str]()
        texts = [arguments.get("name")]
        if isinstance(change, GroupChange):
            texts = [change.name, change.topic]
            if change.photo is not None:
                await self._file(FileContent("image", change.photo, "image/jpeg"), chat, concerns)
        said = " ".join(text for text in texts if isinstance(text, str))
        return [*await self._in_words(said, chat, "it"), *concerns]

    async def _in_words(self, text: str, chat: str, what: str, before: str = "") -> list[str]:
        """Return the concerns about a text, as clauses that call it `what`."""
        text = UNSEEN.sub("", text)
        if not text:
            return []
        secret = await anyio.to_thread.run_sync(find_secret, text, before)
        concerns = [f"{what} has {secret} in it"] if secret else []
        repeated = await self._archive.repeats_another_chat(text, chat, before)
        if repeated is not None:
            concerns.append(f"{what} repeats many words in a row of #{repeated}, which is from another chat")
        return concerns

    async def _in_message(self, key: MessageKey, chat: str, concerns: list[str]) -> bool:
        """Add what in a message that would be seen again wants a look; whether it is there at all."""
        try:
            message = await self._archive.message(key)
        except MessageNotFound:
            return False
        text = await self._said_by(message)
        is_elsewhere = message.chat != chat
        concerns += await self._in_words(text, chat, "what is forwarded")
        if is_elsewhere and await anyio.to_thread.run_sync(has_code, text):
            concerns.append("what is forwarded has a one-time code in it")
        if is_elsewhere and message.kind in _THIRD_PARTY:
            concerns.append("a location or a contact card would leave its chat")
        return True

    async def _said_by(self, message: Message) -> str:
        """All that a message says, what was read in its file with it."""
        name = message.media.file_name if message.media else None
        reading = await self._archive.reading(message.ref)
        read = [text for one in reading.passages for text in (one.title, one.text)] if reading else []
        options = [option.name for option in message.poll]
        texts = [message.spoken, name, *options, *_texts_in(message.details), *read]
        return "\n".join(filter(None, texts))[:_READ_CHARACTERS]

    async def _file(self, file: FileContent, chat: str, concerns: list[str]) -> bool:
        """Add what in a file wants a look; whether it is one of another chat."""
        path = Path(file.path)
        looked = await anyio.to_thread.run_sync(look_at, path)
        if looked is None:
            return False
        elsewhere = await message_with(self._archive, path, looked, chat)
        words = None if looked.is_plain else await self._read(path, file)
        concerns += await self._in_words("\n".join(filter(None, (looked.text, words))), chat, "the file")
        return elsewhere is not None and await self._in_message(elsewhere, chat, concerns)

    async def _read(self, path: Path, file: FileContent) -> str | None:
        """The words of a document, by a process of its own; None if it has none that can be read in time."""
        if readable(MessageKind(file.kind), file.mime_type, file.file_name) is not ReadingKind.DOCUMENT:
            return None
        with self._clock.limit(_READ_SECONDS), suppress(WhatsAppError, OSError):
            for opener in openers_of_readers():
                async with (
                    self._reading,
                    opener() as reader,
                    await anyio.open_file(path, "rb") as opened,
                ):
                    read = await reader.document(opened.wrapped, file.mime_type, file.file_name)
                texts = (text for one in read.passages for text in (one.title, one.text) if text)
                return "\n".join(texts)[:_READ_CHARACTERS]
        return None


def _texts_in(value: object) -> Iterator[str]:
    """The texts in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in cast("dict[str, object]", value).values():
            yield from _texts_in(inner)
    elif isinstance(value, list):
        for inner in cast("list[object]", value):
            yield from _texts_in(inner)
