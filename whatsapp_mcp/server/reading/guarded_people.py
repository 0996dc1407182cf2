"""The half of `GuardedArchive` that answers with people, and with the chats that a text means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from whatsapp_mcp.jid import Jid
from whatsapp_mcp.ledger import AuditEntry
from whatsapp_mcp.models import (
    Actor,
    Channel,
    Chat,
    ChatCandidate,
    Contact,
    GroupMember,
    MessageKey,
    Page,
    Permit,
)
from whatsapp_mcp.policy import cut_name
from whatsapp_mcp.server.reading.chat_rules import forbidden
from whatsapp_mcp.server.reading.guard import Guard
from whatsapp_mcp.server.reading.names import Names
from whatsapp_mcp.server.reading.withholding import View

_CUT: Final = "…"


class GuardedPeople(Guard):
    """People; methods are those of `ReadingArchive`."""

    async def contacts(
        self, query: str | None = None, *, limit: int = 20, cursor: str | None = None
    ) -> Page[Contact]:
        """As `ReadingArchive.contacts`."""

        async def read(after: str | None, size: int) -> Page[Contact]:
            return await self._archive.contacts(query, limit=size, cursor=after)

        page = await self.pages(read, cursor, limit, lambda person: person.jid)
        return replace(page, items=await self.shown_people(page.items))

    async def contact(self, jid: str) -> Contact | None:
        """As `ReadingArchive.contact`; None also for somebody whose chat may not be read."""
        found = await self._archive.contact(jid)
        return None if found is None else next(iter(await self.shown_people((found,))), None)

    async def members(self, chat: str) -> tuple[GroupMember, ...]:
        """As `ReadingArchive.members`."""
        await self.require_inside(chat)
        view = self.view()
        return tuple(
            [replace(each, contact=view.contact(each.contact)) for each in await self._archive.members(chat)]
        )

    async def without_vote(self, key: MessageKey) -> tuple[Actor, ...]:
        """As `ReadingArchive.without_vote`."""
        await self.require_inside((await self._archive.message(key)).chat)
        return tuple(map(self.view().actor, await self._archive.without_vote(key)))

    async def common_groups(self, jid: str) -> tuple[Chat, ...]:
        """As `ReadingArchive.common_groups`."""
        groups = await self._archive.common_groups(jid)
        # They are named for who is in them: what was last said there is handed out to nobody.
        return await self.shown_chats([replace(each, last_message=None) for each in groups])

    async def chats_named_alike(self, jid: str, *, limit: int = 3) -> tuple[Chat, ...]:
        """As `ReadingArchive.chats_named_alike`."""
        return await self.shown_chats(await self._archive.chats_named_alike(jid, limit=limit))

    async def likelier_chats(self, jid: str, since: datetime) -> tuple[Chat, ...]:
        """As `ReadingArchive.likelier_chats`."""
        return await self.shown_chats(await self._archive.likelier_chats(jid, since))

    async def communities(self) -> dict[str, str | None]:
        """As `ReadingArchive.communities`."""
        return await self._archive.communities()

    async def chat_shown_as(self, name: str) -> Chat | None:
        """As `ReadingArchive.chat_shown_as`."""
        found = await self._archive.chat_shown_as(name)
        if found is None:
            return None
        return next(iter(await self.shown_chats((replace(found, last_message=None),))), None)

    async def resolve_chat(self, text: str, *, limit: int = 8) -> tuple[ChatCandidate, ...]:
        """As `ReadingArchive.resolve_chat`; a name that was cut means the one that it was cut from.

        Whom no rule lets read has no name here, and is found by number or jid alone.
        """
        wanted = text.strip().strip("“”")
        found = await self._archive.resolve_chat(wanted.rstrip(_CUT) or text, limit=limit)
        if wanted.endswith(_CUT):
            found = tuple(
                replace(each, matched="name") if cut_name(each.chat.name) == wanted else each
                for each in found
            )
        view = self.view()
        # They are an answer of their own, or one of them is what the answer is about.
        view.names = Names()
        await self._look_up(view, (), [each.chat.jid for each in found], [each.chat.name for each in found])
        candidates: list[ChatCandidate] = []
        for each in found:
            if view.verdict(each.chat.jid) == "deny":
                if not self._caller.chat and each.matched in {"jid", "number"}:
                    jid = each.chat.jid
                    name = Jid.parse(jid).number or jid
                    hidden = Chat(jid, name, each.chat.kind, stranger=each.chat.stranger)
                    candidates.append(replace(each, chat=hidden))
                continue
            # What was last said there is nobody's question here.
            candidates.append(replace(each, chat=view.chat(replace(each.chat, last_message=None))))
        return tuple(candidates)

    def shows_words_of(self, author: Contact | None, words: str | None = None) -> bool:
        """Whether what somebody tells of themselves or of a group is shown: its author has to be known.

        An agent may have written what the owner tells (`words`), after it had been given a stranger's words.
        """
        if not self._withholds:
            return True
        repeats = words is not None and self._ledger.tainted_words.taint(words).counts(self._policy.mode)
        return author is not None and author.known and not repeats

    async def hand_out_words_of(self, author: Contact | None, words: str | None) -> bool:
        """Whether they are shown, as `shows_words_of` says; that they are handed out is written down.

        Raises:
            Busy: It could not be written down whose words leave.
        """
        shown = self.shows_words_of(author, words)
        if shown and words and (author is None or author.jid not in (await self._archive.own())[:2]):
            await self._expose(View(self._withholds, contacts=True), ())
        return shown

    def group_name(self, name: str, jid: str = "") -> str:
        """What a group, channel or business is called: nobody tells whose idea its name was."""
        return self.view().chosen(name, jid) if self._withholds else name

    async def channel_names(self, channels: Sequence[Channel]) -> tuple[str, ...]:
        """What channels are called that are asked for: more names than a list has are words that were read.

        Raises:
            Busy: It could not be written down whose words leave.
        """
        if not self._withholds:
            return tuple(each.name for each in channels)
        view = self.view()
        view.opens = True
        names = tuple(view.chosen(each.name, each.jid) for each in channels)
        await self._expose(view, ())
        return names

    async def hand_out_channel(self, jid: str, amount: str) -> None:
        """Write down that posts of a channel, whose author nobody knows, are about to be handed out.

        Args:
            jid: The channel's.
            amount: Which posts, for the person who may have to agree.

        Raises:
            Denied: A rule forbids to read it.
            WhatsAppError: A person has to agree.
        """
        verdict = ((await self.verdicts([jid])) or {}).get(jid)
        if verdict == "deny":
            raise forbidden()
        if verdict == "ask" or (self._withholds and self._policy.mode == "lockdown"):
            await self.agree(Permit("release", (jid,), (amount,)))
        await self._expose(View(self._withholds, strangers=True), ())
        self._ledger.audit.read(AuditEntry(self._caller, "channel_posts", (jid,)))
