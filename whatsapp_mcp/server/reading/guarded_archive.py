"""`GuardedArchive`: the archive as the tools of one caller may read it.

| what | in lists, searches, waits, digests | opened |
|---|---|---|
| a stranger's words, and those whose author nobody knows | stay back; hits are counted | by ref, or by chat |
| a chat of which a rule says `ask` | stays back | the same, once a person has agreed |
| a chat of which a rule says `deny`, or beyond the one that the caller is bound to | is not there | never |
| names of who is not in the one chat that the caller is bound to | stay back | never |
| one-time codes | are masked | `context(…, reveal=True)`, once a person has agreed |
| words in documents, pictures, recordings | stay back, but for where they are | `reading` |

What is opened is written into the ledger before it is answered. In `lockdown` a person has to agree to it,
and the words of people who are known are written down too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, NamedTuple

from whatsapp_mcp.jid import Jid
from whatsapp_mcp.ledger import AuditEntry, stays_back
from whatsapp_mcp.models import (
    Actor,
    Caller,
    Change,
    Channel,
    Chat,
    ChatCandidate,
    Contact,
    Coverage,
    GroupMember,
    HistoryProgress,
    MessageKey,
    OutboxEntry,
    Page,
    Permit,
    SendReport,
    SendRequest,
    SendResult,
)
from whatsapp_mcp.policy import cut_name
from whatsapp_mcp.server.reading.guard import Ask, Guard
from whatsapp_mcp.server.reading.guarded_messages import GuardedMessages
from whatsapp_mcp.server.reading.guarded_search import GuardedSearch
from whatsapp_mcp.server.reading.masking import Names
from whatsapp_mcp.server.reading.readable import forbidden
from whatsapp_mcp.server.reading.withholding import View

_CUT: Final = "…"
"""Ends a name that `cut_name` has cut."""


class GuardedPeople(Guard):
    """People; methods are those of `ReadingArchive`."""

    async def contacts(
        self, query: str | None = None, *, limit: int = 20, cursor: str | None = None
    ) -> Page[Contact]:
        """Return people by name or number; without a query, all by name."""

        async def read(after: str | None, size: int) -> Page[Contact]:
            return await self._archive.contacts(query, limit=size, cursor=after)

        page = await self.pages(read, cursor, limit, lambda person: person.jid)
        return replace(page, items=await self.shown_people(page.items))

    async def contact(self, jid: str) -> Contact | None:
        """Return a person by either jid; None also if their chat may not be read."""
        contact = await self._archive.contact(jid)
        return None if contact is None else next(iter(await self.shown_people((contact,))), None)

    async def members(self, chat: str) -> tuple[GroupMember, ...]:
        """Return the participants of a group, as far as they are known."""
        await self.require_inside(chat)
        view = self.view()
        return tuple(
            [replace(each, contact=view.contact(each.contact)) for each in await self._archive.members(chat)]
        )

    async def without_vote(self, key: MessageKey) -> tuple[Actor, ...]:
        """Return the known group members who have not voted in a poll, or took their vote back."""
        await self.require_inside((await self._archive.message(key)).chat)
        return tuple(map(self.view().actor, await self._archive.without_vote(key)))

    async def common_groups(self, jid: str) -> tuple[Chat, ...]:
        """Return the groups that the owner and a person are both in, the most recently used first."""
        groups = await self._archive.common_groups(jid)
        # They are named for who is in them: what was last said there is handed out to nobody.
        return await self.shown_chats([replace(each, last_message=None) for each in groups])

    async def chats_named_alike(self, jid: str, *, limit: int = 3) -> tuple[Chat, ...]:
        """Return other people and groups with the chat's shown name, or one a letter or two different."""
        return await self.shown_chats(await self._archive.chats_named_alike(jid, limit=limit))

    async def likelier_chats(self, jid: str, since: datetime) -> tuple[Chat, ...]:
        """Return similarly named chats that the owner wrote to since then, if not also to this one."""
        return await self.shown_chats(await self._archive.likelier_chats(jid, since))

    async def communities(self) -> dict[str, str | None]:
        """Return the communities by jid, each with the jid of its announcement group, if known."""
        return await self._archive.communities()

    async def chat_shown_as(self, name: str) -> Chat | None:
        """Return the only chat that lists show under this name, if it may be read."""
        chat = await self._archive.chat_shown_as(name)
        if chat is None:
            return None
        return next(iter(await self.shown_chats((replace(chat, last_message=None),))), None)

    async def resolve_chat(self, text: str, *, limit: int = 8) -> tuple[ChatCandidate, ...]:
        """Return the chats that a text may mean, best first; a cut name stands for the full name.

        Whom no rule lets read has no name here, and is found by number or jid alone.
        """
        wanted = text.strip().strip("“”")
        matches = await self._archive.resolve_chat(wanted.rstrip(_CUT) or text, limit=limit)
        if wanted.endswith(_CUT):
            matches = tuple(
                replace(each, matched="name") if cut_name(each.chat.name) == wanted else each
                for each in matches
            )
        view = self.view()
        # They are an answer of their own, or one of them is what the answer is about.
        view.names = Names()
        await self._look_up(
            view, (), [each.chat.jid for each in matches], [each.chat.name for each in matches]
        )
        candidates: list[ChatCandidate] = []
        for each in matches:
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
        """Return whether a person's words about themselves or a group are shown: the author must be known.

        An agent may have written what the owner tells (`words`), after it had been given a stranger's words.
        """
        if not self._withholds:
            return True
        repeats = words is not None and self._ledger.tainted_words.taint(words).counts(self._policy.mode)
        return author is not None and author.known and not repeats

    async def hand_out_words_of(self, author: Contact | None, words: str | None) -> bool:
        """Return whether the words are shown, as `shows_words_of` says; record that they are handed out.

        Raises:
            Busy: It could not be written down whose words leave.
        """
        shown = self.shows_words_of(author, words)
        if shown and words and (author is None or author.jid not in (await self._archive.own())[:2]):
            await self._expose(View(self._withholds, contacts=True), ())
        return shown

    def group_name(self, name: str, jid: str = "") -> str:
        """Return a group, channel or business name as it is shown: its author is not known."""
        return self.view().chosen(name, jid) if self._withholds else name

    async def channel_names(self, channels: Sequence[Channel]) -> tuple[str, ...]:
        """Return the names of requested channels; more names than a list shows count as words that were read.

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


class ShownSend(NamedTuple):
    """A scheduled send, and whether its words stay back."""

    entry: OutboxEntry
    withheld: bool


_ELSEWHERE: Final = "elsewhere"
"""Kind of a change in another chat than the caller's: its number stays, for a reader goes on by it."""


class GuardedArchive(GuardedMessages, GuardedSearch, GuardedPeople):
    """The archive as a caller's tools see it."""

    def bound_to(self, caller: Caller, ask: Ask, *, is_one_of_several: bool = False) -> GuardedArchive:
        """The archive for the tools of a caller, who may see further accounts."""
        return GuardedArchive(
            self._archive,
            self._ledger,
            self._policy,
            caller,
            ask,
            names=Names(),
            is_one_of_several=is_one_of_several,
        )

    def opened(
        self, chat: str | None, *, whole: bool = False, amount: str = "", context: int = 0
    ) -> GuardedArchive:
        """The archive for somebody who names a chat, and so asks for the words of whom it is with.

        In a group strangers' words stay back, and in a contact's chat what the contact passed on: there each
        is opened by its ref.

        Args:
            chat: Its jid; None where no chat is named.
            whole: Whether all that was said in it is asked for.
            amount: How much is read of it, for the person who may have to agree; empty: each read says it.
            context: How many messages before each are read as well.
        """
        if chat is None:
            return self
        return GuardedArchive(
            self._archive,
            self._ledger,
            self._policy,
            self._caller,
            self._ask,
            chat,
            whole=whole,
            amount=amount,
            context=context,
            names=self._names,
            is_one_of_several=self._is_one_of_several,
        )

    # What is known of sends and of the archive itself: nobody's words.

    async def send_report(
        self, key: MessageKey, *, send_id: bool = False, cursor: str | None = None
    ) -> SendReport:
        """Return the report of a sent message, person by person."""
        report = await self._archive.send_report(key, send_id=send_id, cursor=cursor)
        await self.require_inside(report.result.chat)
        if not self._withholds:
            return report
        view = self.view()
        return replace(
            report,
            deliveries=tuple(
                replace(each, contact=view.chosen(each.contact)) if each.stranger else each
                for each in report.deliveries
            ),
        )

    async def scheduled_sends(self) -> tuple[ShownSend, ...]:
        """The sends that wait for their moment or for a yes, the next one first.

        What another principal wrote stays back while a person is asked about it, and if it may repeat a
        stranger's words.
        """
        entries = await self._archive.scheduled_sends()
        verdicts = await self.verdicts(entry.request.chat for entry in entries) or {}
        shown: list[ShownSend] = []
        for entry in entries:
            verdict = verdicts.get(entry.request.chat)
            if verdict != "deny":
                withheld = verdict == "ask" or stays_back(entry, self._caller, self._policy.mode)
                shown.append(ShownSend(entry, withheld))
        return tuple(shown)

    async def own(self) -> tuple[str | None, str | None, str | None]:
        """Return the account's own PN jid, LID jid and name, as far as they are known."""
        return await self._archive.own()

    async def coverage(self, chat: str) -> Coverage:
        """Return a chat's coverage; names of imported files are cut, as whoever made a file named it."""
        await self.require_inside(chat)
        coverage = await self._archive.coverage(chat)
        if not self._withholds:
            return coverage
        return replace(
            coverage, imports=tuple(replace(one, file=cut_name(one.file)) for one in coverage.imports)
        )

    async def history_progress(self) -> HistoryProgress:
        """Return the progress of the phone's history transfer."""
        return await self._archive.history_progress()

    async def request_of_send(self, send_id: int) -> SendRequest:
        """Return the request of a send.

        Raises:
            MessageNotFound: No such send.
            Denied: It goes to a chat that may not be read.
        """
        request = (await self._archive.outbox_get(send_id)).request
        await self.require_inside(request.chat)
        return request

    async def album_files(self, send_id: int) -> tuple[SendResult, ...]:
        """Return the result of each file of an album, in its order; empty for any other send."""
        return tuple(file.result for file in await self._archive.outbox_album(send_id))

    async def last_change(self) -> int:
        """Return the newest number of the change feed; 0 if nothing ever changed."""
        return await self._archive.last_change()

    async def resume(self, after: int) -> int:
        """Return the number from which a reader that has seen everything up to `after` resumes."""
        return await self._archive.resume(after)

    async def last_send(self, since: datetime, *, chat: str | None = None) -> int | None:
        """Return the change that accepted the newest send since a time, to `chat` if given; else None."""
        return await self._archive.last_send(since, chat=await self.only_chat() or chat)

    async def changes(self, after: int, *, limit: int = 200) -> tuple[Change, ...]:
        """Return changes after a number; of other chats a bound caller sees only number and time."""
        changes = await self._archive.changes(after, limit=limit)
        if (only := await self.only_chat()) is None:
            return changes
        return tuple(each if each.chat == only else Change(each.seq, each.at, _ELSEWHERE) for each in changes)

    async def readable(self, changes: Sequence[Change]) -> tuple[Change, ...]:
        """The changes that the caller may hear of: of none whom a rule forbids to read."""
        places = {change.seq: change.chat or change.actor for change in changes}
        verdicts = await self.verdicts(place for place in places.values() if place is not None)
        if not verdicts:
            return tuple(changes)
        return tuple(each for each in changes if verdicts.get(places[each.seq] or "") != "deny")

    async def wait_change(self, after: int, timeout: float) -> int:
        """Wait until the feed goes beyond `after` or `timeout` seconds are over; return its last number."""
        return await self._archive.wait_change(after, timeout)
