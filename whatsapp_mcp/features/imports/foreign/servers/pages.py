"""Pages, put together from the rows that were read of an archive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from whatsapp_mcp.features.imports.foreign.database import Opened
from whatsapp_mcp.models import ForeignChat, ForeignMessage, ForeignPage, ForeignPerson, Unreadable

LONGEST: Final = 512
"""Characters of an id or an address: none of WhatsApp's is as long."""
BEFORE_ALL: Final = -(1 << 63)
"""A row id before that of any row."""


def messages_after(
    archive: Opened, first: int, rows: int, columns: Sequence[str], later: Sequence[str]
) -> Iterator[tuple[Any, ...]]:
    """Rows of the table `messages`, in the order in which they were stored.

    Args:
        first: A row id; the rows after it are read.
        rows: How many at most.
        columns: What is read beside the row id, which comes first.
        later: Columns that only newer versions have; NULL where there are none.
    """
    there = (name if archive.schema.has("messages", name) else "NULL" for name in later)
    names = ", ".join((*columns, *there))
    return archive.db.execute(
        f"SELECT rowid, {names} FROM main.messages WHERE rowid > ? ORDER BY rowid LIMIT ?",  # noqa: S608
        (first, rows),
    )


def page_of(
    read: Collection[ForeignMessage | Unreadable | None],
    following: int | None,
    people: Sequence[ForeignPerson] = (),
    chats: Sequence[ForeignChat] = (),
) -> ForeignPage:
    """A page.

    Args:
        read: What each row is; None for one that belongs to another message.
        following: Where the next page begins.
        people, chats: Of the first page.
    """
    return ForeignPage(
        tuple(one for one in read if isinstance(one, ForeignMessage)),
        tuple(people),
        tuple(chats),
        dict(Counter(one for one in read if isinstance(one, Unreadable))),
        following,
        len(read),
    )


def place_of(wa_id: Any, chat: Any) -> tuple[str, str] | Unreadable:
    """The id of a message and its chat, as they stand in a row, if they can be such."""
    if not isinstance(wa_id, str) or not isinstance(chat, str):
        return Unreadable.DAMAGED
    if len(wa_id) > LONGEST:
        return Unreadable.NO_ID
    return Unreadable.NO_CHAT if len(chat) > LONGEST else (wa_id, chat)
