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

from whatsapp_mcp.ledger import stays_back
from whatsapp_mcp.models import (
    Caller,
    Change,
    Coverage,
    HistoryProgress,
    MessageKey,
    OutboxEntry,
    SendReport,
    SendRequest,
    SendResult,
)
from whatsapp_mcp.policy import cut_name
from whatsapp_mcp.server.reading.guard import Ask
from whatsapp_mcp.server.reading.guarded_messages import GuardedMessages
from whatsapp_mcp.server.reading.guarded_people import GuardedPeople
from whatsapp_mcp.server.reading.guarded_search import GuardedSearch
from whatsapp_mcp.server.reading.names import Names


class ShownSend(NamedTuple):
    """A scheduled send, and whether its words stay back."""

    entry: OutboxEntry
    withheld: bool


_ELSEWHERE: Final = "elsewhere"


class GuardedArchive(GuardedMessages, GuardedSearch, GuardedPeople):
    """What a caller's tools see of the archive."""

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
        """As `ReadingArchive.send_report`."""
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
        """As `ReadingArchive.own`."""
        return await self._archive.own()

    async def coverage(self, chat: str) -> Coverage:
        """As `ReadingArchive.coverage`; names of imported files are cut, as whoever made a file named it."""
        await self.require_inside(chat)
        found = await self._archive.coverage(chat)
        if not self._withholds:
            return found
        return replace(found, imports=tuple(replace(one, file=cut_name(one.file)) for one in found.imports))

    async def history_progress(self) -> HistoryProgress:
        """As `ReadingArchive.history_progress`."""
        return await self._archive.history_progress()

    async def request_of_send(self, send_id: int) -> SendRequest:
        """What was to be sent.

        Raises:
            MessageNotFound: No such send.
            Denied: It goes to a chat that may not be read.
        """
        request = (await self._archive.outbox_get(send_id)).request
        await self.require_inside(request.chat)
        return request

    async def album_files(self, send_id: int) -> tuple[SendResult, ...]:
        """What is known of each file of an album, in its order; none of any other send."""
        return tuple(file.result for file in await self._archive.outbox_album(send_id))

    async def last_change(self) -> int:
        """As `ReadingArchive.last_change`."""
        return await self._archive.last_change()

    async def resume(self, after: int) -> int:
        """As `ReadingArchive.resume`."""
        return await self._archive.resume(after)

    async def last_send(self, since: datetime, *, chat: str | None = None) -> int | None:
        """As `ReadingArchive.last_send`."""
        return await self._archive.last_send(since, chat=await self.only_chat() or chat)

    async def changes(self, after: int, *, limit: int = 200) -> tuple[Change, ...]:
        """As `ReadingArchive.changes`; of what a bound caller may not read it tells the number alone."""
        found = await self._archive.changes(after, limit=limit)
        if (only := await self.only_chat()) is None:
            return found
        return tuple(each if each.chat == only else Change(each.seq, each.at, _ELSEWHERE) for each in found)

    async def readable(self, changes: Sequence[Change]) -> tuple[Change, ...]:
        """The changes that the caller may hear of: of none whom a rule forbids to read."""
        places = {change.seq: change.chat or change.actor for change in changes}
        verdicts = await self.verdicts(place for place in places.values() if place is not None)
        if not verdicts:
            return tuple(changes)
        return tuple(each for each in changes if verdicts.get(places[each.seq] or "") != "deny")

    async def wait_change(self, after: int, timeout: float) -> int:
        """As `ReadingArchive.wait_change`."""
        return await self._archive.wait_change(after, timeout)
