"""The part of `GuardedArchive` that searches messages: hits are shown, counted, or hidden without a trace."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Final, Literal

from anyio import to_thread

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.models import (
    EVERYTHING,
    Message,
    MessageFilter,
    Page,
    Permit,
    SearchHints,
    WithheldHits,
)
from whatsapp_mcp.policy import MASK, has_code, mask_codes
from whatsapp_mcp.server.reading import amounts
from whatsapp_mcp.server.reading.guard import Guard
from whatsapp_mcp.server.reading.masking import (
    Carried,
    Masker,
    cut_again,
    finds_masked,
    masked_reading,
    names_in,
    tells_codes,
)
from whatsapp_mcp.server.reading.readable import Seen, filled
from whatsapp_mcp.server.reading.withholding import View

if TYPE_CHECKING:
    from whatsapp_mcp.archive.read import SearchMode, Sought

_REFS: Final = 5
"""Messages that are named of the hits in a chat whose words stay back."""
_NAMING: Final = re.compile(r"(?:from|in):\S", re.IGNORECASE)
"""Operators with which a search looks among all names: a hit, or none, would tell who is in the address
book."""


def hides_chat(view: View, chat: str) -> bool:
    """Return whether nothing may be told of the hits in a chat."""
    verdict = view.verdict(chat)
    return verdict == "deny" or (verdict == "ask" and not view.opens)


def see_hit(
    view: View, message: Message, sought: Sought, read: Sequence[str] | None = None, room: int = 1
) -> Seen:
    """Make a hit of a search what is shown of it, and say whether it is, or stays back and is counted.

    No word that is masked may have been found. Of one that is not shown nothing is noted: neither its names,
    of which others then have fewer, nor whose words it holds.

    Args:
        view: How it is seen; its chat is none that hides.
        message: The hit, which is changed.
        sought: What was searched for.
        read: What was read in its file, if it or the message holds one-time codes, without those.
        room: How many the answer may still have; 0: it is none of the answer's.
    """
    named, noted = view.names.mark(), (view.strangers, view.contacts, view.asked)
    view.masker.begin(room)
    seen = _see(view, message, sought, read)
    if seen is not Seen.SHOWN or not room:
        view.names.back_to(named)
        view.strangers, view.contacts, view.asked = noted
    return seen


def _see(view: View, message: Message, sought: Sought, read: Sequence[str] | None) -> Seen:
    is_text = not (message.media or message.poll or message.details)
    whole = message.text if is_text else Carried.of(message)
    heard = (message.reading.text,) if message.reading else ()
    view.message(message)
    if message.withheld:
        carried, view.stripped = view.stripped, None
        if carried is None:
            return Seen.HIDDEN
        without = carried.masked(view.masker)
        tells_nothing = without == carried and read is None
        if tells_nothing or finds_masked(sought, without, read or (*map(view.masker.text, heard),)):
            return Seen.COUNTED
        return Seen.HIDDEN
    carried = message.text if is_text else Carried.of(message)
    if read is not None or carried != whole:
        if not finds_masked(sought, Carried.of(message), read or ()):
            return Seen.HIDDEN
        cut_again(sought, message, read or ())
    return Seen.SHOWN


class GuardedSearch(Guard):
    """Searching messages; methods are those of `ReadingArchive`."""

    async def search(
        self,
        query: str,
        where: MessageFilter = EVERYTHING,
        *,
        order: Literal["newest", "relevance"] = "newest",
        mode: SearchMode = "words",
        zone: tzinfo = UTC,
        now: datetime | None = None,
        limit: int = 20,
        cursor: str | None = None,
    ) -> Page[Message]:
        """Search the messages; hits that lie only in masked words are left out.

        Hits in strangers' words that stay back are counted by the refs that open them. Nothing is counted
        that only a person may open, nor for a caller that is bound to one chat: a count would tell it words.

        Raises:
            Denied: The chat that is named may not be read.
            WhatsAppError: A person has to agree.
            InvalidArgument: A caller that is bound to one chat names people or chats.
        """
        from whatsapp_mcp.archive.read import LONG, Sought

        where = await self.inside(where)
        if self._caller.chat and _NAMING.search(query):
            raise InvalidArgument("`from:` and `in:` are not available here.", "Search by words.")
        view = await self._view_of_search(query, where, limit)

        async def read(after: str | None, size: int) -> Page[Message]:
            results = await self._archive.search(
                query, where, order=order, mode=mode, zone=zone, now=now, limit=size, cursor=after
            )
            await self._look_up(
                view, results.items, [each.chat for each in results.items], names_in(results.items)
            )
            # The archive ends a search by relevance after one page; what is hidden of it is made up for from
            # behind its last hit.
            if order == "relevance" and results.items and results.after:
                return replace(results, next_cursor=results.after(len(results.items) - 1), notes=())
            return results

        withheld: dict[str, list[int]] = {}
        sought = Sought(query, mode, missing=MASK)

        async def sees(message: Message, room: int) -> Seen:
            if hides_chat(view, message.chat):
                return Seen.HIDDEN
            left = view.masker.mark()
            masked = await self._masked_reading(message, view.masker)
            seen = see_hit(view, message, sought, masked, room)
            if seen is Seen.HIDDEN:
                # A hidden hit takes no part of the bounds: what others lack would tell of it.
                view.masker.back_to(left)
            elif seen is Seen.COUNTED and room:
                withheld.setdefault(message.chat, []).append(message.ref)
            return seen

        page = await filled(
            read, cursor, limit, sees, lambda message: len(message.text), lambda: view.masker.is_spent
        )
        await self.hand_out(view, page.items, page.items, self._listed, operation="search")
        notes = page.notes
        if order == "relevance" and page.next_cursor and len(page.items) + len(withheld) < limit:
            notes = (*notes, LONG)
        if not page.items:
            notes = (*notes, *self._not_searched(sought))
        hits = [WithheldHits(len(refs), tuple(refs[:_REFS])) for refs in withheld.values()]
        following = page.next_cursor if order == "newest" else None
        return Page(page.items, following, notes, withheld=tuple(hits))

    async def _view_of_search(self, query: str, where: MessageFilter, limit: int) -> View:
        """Return the view for hits; a person is asked to agree before it is known whether there are any.

        Raises:
            WhatsAppError: Nobody has agreed.
        """
        view = await self._bound_view()
        view.counts = self._counts_hits
        self._listed = ""
        if self._named is None or where.chat != self._named:
            return view
        view.opens, asks_first = await self._opening(self._named)
        if asks_first:
            self._listed = amounts.of_search(query, limit, self._context)
            await self.agree(Permit("release", (self._named,), (self._listed,)))
        return view

    @property
    def _counts_hits(self) -> bool:
        """True if the caller is told how many hits are withheld that it can open itself."""
        return not self._caller.chat and self._policy.mode != "lockdown"

    def _not_searched(self, sought: Sought) -> Iterator[str]:
        """Yield notes on what a search without hits did not cover, whether it would have matched or not."""
        if self._rules is not None or (self._withholds and not self._counts_hits):
            yield "Not searched: words that are only shown once the user agrees, or never."
        if self._withholds and tells_codes(sought):
            yield "Not searched for digits or with a -word: messages that hold a one-time code."

    async def search_hints(
        self, query: str, where: MessageFilter, *, zone: tzinfo, now: datetime
    ) -> SearchHints:
        """Return hints for a search without hits; none if a rule may withhold any of them."""
        if self._rules is not None:
            return SearchHints()
        hints = await self._archive.search_hints(query, where, zone=zone, now=now)
        nobody = [(name, await self.shown_people(closest)) for name, closest in hints.nobody]
        return replace(hints, nobody=tuple(nobody))

    async def _masked_reading(self, message: Message, masker: Masker) -> Sequence[str] | None:
        """Return the text read in a hit's file, page by page, with its one-time codes masked.

        None where there are none, there or in the text. In one that is long, or one of many, whatever could
        be a code is masked: looking for codes takes longer than finding it.
        """
        reading = await self._archive.reading(message.ref) if self._withholds and message.reading else None
        if reading is None:
            return None
        texts = [one.text for one in reading.passages]
        if masker.looks_into_file(sum(map(len, texts))):
            without = [one.text for one in (await to_thread.run_sync(masked_reading, reading)).passages]
        else:
            without = await to_thread.run_sync(lambda: [mask_codes(text, 0) for text in texts])
        return without if without != texts or has_code(message.text) else None
