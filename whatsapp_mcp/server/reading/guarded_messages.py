"""The half of `GuardedArchive` that answers with messages and chats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from anyio import to_thread

from whatsapp_mcp.models import (
    EVERYTHING,
    Chat,
    ChatKind,
    Digest,
    FileReading,
    MediaSource,
    Message,
    MessageFilter,
    MessageKey,
    Page,
    Permit,
    Side,
    content_is_strangers,
    file_words_are_senders,
    file_words_are_strangers,
)
from whatsapp_mcp.policy import has_code
from whatsapp_mcp.server.reading import amounts
from whatsapp_mcp.server.reading.guard import Guard
from whatsapp_mcp.server.reading.masking import Masker, mask_name_in, masked_reading
from whatsapp_mcp.server.reading.readable import forbidden
from whatsapp_mcp.server.reading.withholding import View


class GuardedMessages(Guard):
    """Messages and chats; methods are those of `ReadingArchive`."""

    async def chats(
        self,
        *,
        query: str | None = None,
        kind: ChatKind | None = None,
        unread: bool | None = None,
        unanswered: Side | None = None,
        now: datetime | None = None,
        limit: int = 20,
        cursor: str | None = None,
    ) -> Page[Chat]:
        """Return chats, the one with the newest message first."""
        only = await self.only_chat()

        async def read(after: str | None, size: int) -> Page[Chat]:
            return await self._archive.chats(
                query=query,
                kind=kind,
                unread=unread,
                unanswered=unanswered,
                now=now,
                jid=only,
                limit=size,
                cursor=after,
            )

        page = await self.pages(read, cursor, limit, lambda chat: chat.jid)
        return replace(page, items=await self.shown_chats(page.items))

    async def chat(self, jid: str) -> Chat | None:
        """Return a chat; None also for one that may not be read."""
        chat = await self._archive.chat(jid)
        return None if chat is None else next(iter(await self.shown_chats((chat,))), None)

    async def digest(self, since: datetime, *, now: datetime) -> Digest:
        """Return what was said in direct chats and groups since a time, newest chat first."""
        digest = await self._archive.digest(since, now=now, jid=await self.only_chat())
        verdicts = await self.verdicts(digest.others) or {}
        return replace(
            digest,
            messages=await self.shown(digest.messages),
            others=tuple(jid for jid in digest.others if verdicts.get(jid) != "deny"),
        )

    async def messages(
        self,
        where: MessageFilter = EVERYTHING,
        *,
        oldest_first: bool = False,
        limit: int = 20,
        cursor: str | None = None,
    ) -> Page[Message]:
        """Return messages, newest first by default; the notes tell of gaps that the page touches.

        Raises:
            Denied: The chat that is named may not be read.
        """
        where = await self.inside(where)

        async def read(after: str | None, size: int) -> Page[Message]:
            return await self._archive.messages(where, oldest_first=oldest_first, limit=size, cursor=after)

        page = await self.pages(read, cursor, limit, lambda message: message.chat)
        named, self._listed = self._named is not None and where.chat == self._named, self._amount
        if named and page.items and not self._amount:
            self._listed = amounts.of_page(
                page, where, limit=limit, cursor=cursor, oldest_first=oldest_first, context=self._context
            )
        elif where.chat and named and not page.items and replace(where, chat=None) != EVERYTHING:
            # Else it would tell without a question that nothing in the chat is as asked for.
            _, asks_first = await self._opening(where.chat)
            if asks_first:
                await self.agree(Permit("release", (where.chat,), (amounts.NOTHING,)))
        return replace(page, items=await self.shown(page.items, named=named, amount=self._listed))

    async def message(
        self, key: MessageKey, *, chat: str | None = None, masker: Masker | None = None, among: int = 1
    ) -> Message:
        """Return a message; with `masker`, as one of `among` messages of the answer that it masks.

        Raises:
            MessageNotFound: No such message.
            Denied: It is in a chat that may not be read.
        """
        message = await self._archive.message(key, chat=chat)
        named = await self.is_named(message.chat)
        amount = (named and self._amount) or amounts.of_message(message)
        return _only(await self.shown((message,), named=named, amount=amount, masker=masker, among=among))

    async def opened_message(self, key: MessageKey) -> Message:
        """A message whose words are asked for.

        Raises:
            MessageNotFound: No such message.
            Denied: It is in a chat that may not be read.
            WhatsAppError: A person has to agree.
        """
        message = await self._archive.message(key)
        return _only(await self.shown((message,), opens=True, amount=amounts.of_message(message)))

    async def context(
        self, key: MessageKey, *, before: int = 5, after: int = 5, reveal: bool = False
    ) -> Page[Message]:
        """Return a message and its neighbours, oldest first; words that lists withhold are opened.

        Args:
            key: The message.
            before: How many before it.
            after: How many after it.
            reveal: Whether its one-time code is asked for.

        Raises:
            MessageNotFound: No such message.
            Denied: It is in a chat that may not be read.
            WhatsAppError: A person has to agree.
        """
        page = await self._archive.context(key, before=before, after=after)
        # Read once more: a view changes the messages of the page, and this one is asked about as it is.
        asked = await self._archive.message(key)
        view = await self.view_of(page.items)
        if view.verdict(asked.chat) == "deny":
            raise forbidden()
        view.opens = view.keeps_back(asked)
        heard = asked.reading.text if asked.reading and file_words_are_senders(asked) else ""
        opened = page.items
        if reveal and view.withholds and (has_code(asked.text) or has_code(heard)):
            await self.agree(Permit("reveal", (asked.chat,), (f"#{asked.ref}",)))
            # What that lets out is one message: those around it stay as lists show them.
            self._released.add(asked.ref)
            view.reveals, opened = asked.ref, (asked,)
        shown = view.messages(page.items)
        await self.hand_out(view, opened, shown, amounts.around(asked, before, after), operation="context")
        return replace(page, items=shown)

    async def preceding(self, keys: Sequence[MessageKey], count: int) -> dict[int, tuple[Message, ...]]:
        """Return up to `count` messages before each message, by ref, oldest first; each message once."""
        preceding = await self._archive.preceding(keys, count)
        every = [message for messages in preceding.values() for message in messages]
        view = await self.view_of(every, named=bool(every) and await self.is_named(every[0].chat))
        shown = {ref: view.messages(messages, among=len(every)) for ref, messages in preceding.items()}
        # They were asked about together with what they stand before.
        amount = self._listed if count <= self._context else ""
        await self.hand_out(view, every, [one for messages in shown.values() for one in messages], amount)
        return shown

    async def opened_file(self, key: MessageKey) -> Message:
        """A message the words in whose file are asked for; they come from `reading`.

        Raises:
            MessageNotFound: No such message.
            Denied: It is in a chat that may not be read.
            WhatsAppError: A person has to agree.
        """
        message = await self._archive.message(key)
        view = await self._view_of_file(message)
        await self._agree_to(view, message)
        if view.withholds and not (message.from_me and not view.strangers):
            mask_name_in(message, message.text, Masker())
        return message

    async def _agree_to(self, view: View, message: Message) -> None:
        if view.asked or (self._policy.mode == "lockdown" and view.withholds and view.strangers):
            await self.agree(Permit("release", (message.chat,), (amounts.of_message(message),)))

    async def reading(
        self,
        key: MessageKey,
        part: Callable[[FileReading], FileReading] = lambda whole: whole,
        *,
        first: int | None = None,
    ) -> FileReading | None:
        """Return the text read in a message's file on request, with one-time codes masked.

        Args:
            key: The message.
            part: Takes what is wanted out of the whole, in which codes are masked before.
            first: The page from which on it takes what an answer has room for: of a long file the others
                are hidden. None: it takes all of them.

        Raises:
            MessageNotFound: No such message.
            Denied: It is in a chat that may not be read.
            WhatsAppError: A person has to agree.
        """
        message = await self.opened_file(key)
        reading = await self._archive.reading(message.ref)
        if reading is None:
            return None
        view = await self._view_of_file(message)
        if view.withholds and not (message.from_me and not view.strangers):
            reading = await to_thread.run_sync(masked_reading, reading, first)
        wanted = part(reading)
        await self.hand_out(view, (), (message,), operation="reading")
        return wanted

    async def release_content(self, key: MessageKey, mime_type: str) -> None:
        """Write down whose words the content of a file may hold, before it is handed out.

        Args:
            key: The message, which was opened.
            mime_type: As `content_is_strangers` takes it.

        Raises:
            MessageNotFound: No such message.
            Denied: It is in a chat that may not be read.
            WhatsAppError: A person has to agree.
        """
        message = await self._archive.message(key)
        view = await self._view_of_file(message, mime_type)
        await self._agree_to(view, message)
        await self.hand_out(view, (), (message,), operation="file")

    async def thumbnail(self, key: MessageKey) -> bytes | None:
        """Return the thumbnail of a message on request; None if it has none.

        Raises:
            MessageNotFound: No such message.
            Denied: It is in a chat that may not be read.
            WhatsAppError: A person has to agree.
        """
        message = await self.opened_message(key)
        thumbnail = await self._archive.thumbnail(message.ref)
        if thumbnail is not None:
            await self.release_content(message.ref, "image/jpeg")
        return thumbnail

    async def _view_of_file(self, message: Message, mime_type: str | None = None) -> View:
        """Return the view for the words in a message's file, or for its content, which has this type.

        `message` becomes what is shown of it.
        """
        view = await self.view_of((message,), opens=True)
        if view.verdict(message.chat) == "deny":
            raise forbidden()
        if mime_type is None:
            strangers = file_words_are_strangers(message, view.tainted)
        else:
            strangers = content_is_strangers(message, mime_type, view.tainted)
        view.message(message)
        view.strangers |= strangers
        return view

    async def media_source(self, key: MessageKey) -> MediaSource:
        """Return what a download of a message's file needs; the file's content is asked for."""
        await self.opened_message(key)
        return await self._archive.media_source(key)


def _only(shown: Sequence[Message]) -> Message:
    """The one message, if it may be read."""
    for message in shown:
        return message
    raise forbidden()
