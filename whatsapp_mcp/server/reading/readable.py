"""Readable chats and items: the person's rules for reading chats, and pages of what a caller may see.

Such a page is filled up, and tells nothing of what the caller may not see. What is left out shows neither by
a page that has fewer items nor by a cursor: there is one only if something follows that may be seen, and it
names the last item that may.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from enum import Enum, auto
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeVar

from anyio import current_time
from anyio.lowlevel import checkpoint

from whatsapp_mcp.errors import Denied
from whatsapp_mcp.jid import Jid, is_person
from whatsapp_mcp.models import ChatKind, Page
from whatsapp_mcp.settings import Verdict

if TYPE_CHECKING:
    from whatsapp_mcp.archive import ReadingArchive
    from whatsapp_mcp.policy import Policy

T = TypeVar("T")
Read = Callable[[str | None, int], Awaitable[Page[T]]]
"""Reads so many behind a cursor."""
_MOST: Final = 500
"""Items that are read at once."""
_LONG: Final = 2_000_000
"""Characters of the texts of a page, behind which it ends."""
_COUNTED: Final = 20
"""Times the limit of a page: what is counted before a page ends of which nothing is shown."""
_PATIENCE: Final = 2.0
"""Seconds for which is read on behind the first page; the cursor goes on there."""


class ChatRules:
    """The rules for reading, as far as they are about the chats of one call, and the chat it is bound to.

    Args:
        archive: Tells what the rules ask.
        policy: Has them.
        only: Jid of the one chat that may be read; empty for all.
    """

    def __init__(self, archive: ReadingArchive, policy: Policy, only: str = "") -> None:
        self._archive = archive
        self._policy = policy
        self._only = only
        self._known: dict[str, Verdict | None] = {}

    async def verdicts(self, chats: Iterable[str]) -> dict[str, Verdict]:
        """Return the verdicts of the rules on these chats, by jid; a chat without a rule is left out."""
        wanted = set(chats)
        for jid in wanted - self._known.keys():
            facts = await self._archive.chat_facts(jid)
            if self._only and self._only not in {facts.jid, facts.lid}:
                self._known[jid] = "deny"
                continue
            ruling = self._policy.ruling(facts, "read")
            self._known[jid] = ruling.verdict if ruling else None
        return {jid: verdict for jid in wanted if (verdict := self._known[jid]) is not None}


@lru_cache(1024)
def kind_of(jid: str) -> ChatKind:
    """Return the kind of chat that a jid names."""
    if is_person(jid):
        return ChatKind.DIRECT
    address = Jid.parse(jid)
    if address.is_group:
        return ChatKind.GROUP
    if address.is_channel:
        return ChatKind.CHANNEL
    return ChatKind.STATUS if jid == "status@broadcast" else ChatKind.BROADCAST


def forbidden() -> Denied:
    """The error of who names a chat that may not be read."""
    return Denied(
        "A rule forbids reading this chat.",
        "Tell the user; only the person can change the policy in config.toml.",
    )


class Seen(Enum):
    """Visibility of an item to the caller: shown in full, only counted, or hidden."""

    SHOWN = auto()
    COUNTED = auto()
    HIDDEN = auto()


async def filled(
    read: Read[T],
    cursor: str | None,
    limit: int,
    sees: Callable[[T, int], Awaitable[Seen]],
    length: Callable[[T], int] = lambda _: 0,
    is_spent: Callable[[], bool] = lambda: False,
) -> Page[T]:
    """The next page of what is shown, full if there is enough.

    A page ends after `limit` items that are shown or counted, if any is shown; it is one without items, with
    a cursor, where that takes too long.

    Args:
        read: Reads the archive.
        cursor: Where to begin.
        limit: Items of a page.
        sees: Says of an item what the caller is told. It is given how many the page still has room for; of
            one behind the page, 0, it says that alone.
        length: Characters of an item, of which a page has a bound too.
        is_spent: Whether what was shown and counted has taken so much that the page ends.
    """
    items: list[T] = []
    last: tuple[Page[T], int] | None = None
    # One more than the page has tells whether anything follows it.
    visible, size, room = 0, min(limit + 1, _MOST), _LONG
    notes = dict[str, None]()
    end = current_time() + _PATIENCE
    while True:
        page = await read(cursor, size)
        notes |= dict.fromkeys(page.notes)
        for index, item in enumerate(page.items):
            is_full = visible >= _COUNTED * limit or (bool(items) and (visible >= limit or room <= 0))
            is_full = is_full or (visible > 0 and is_spent())
            match await sees(item, 0 if is_full else max(1, limit - visible)):
                case Seen.HIDDEN:
                    await checkpoint()
                    if current_time() > end:
                        return Page(tuple(items), _behind(page, index), tuple(notes))
                    continue
                case _ if is_full and last is not None:
                    return Page(tuple(items), _behind(*last), tuple(notes))
                case Seen.SHOWN:
                    items.append(item)
                    room -= length(item)
                case Seen.COUNTED:
                    pass
            visible, last = visible + 1, (page, index)
        if page.next_cursor is None or current_time() > end:
            return Page(tuple(items), page.next_cursor, tuple(notes))
        # Twice as many each time: a chat that is all hidden is passed in few reads.
        cursor, size = page.next_cursor, min(2 * size, _MOST)
        await checkpoint()


def _behind(page: Page[T], index: int) -> str | None:
    """The cursor that goes on behind an item."""
    return page.after(index) if page.after else None
