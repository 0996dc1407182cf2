"""Descriptions of how much of a chat a person lets an agent read; an approval is bound to the words.

The number of messages, and which ones, stand in each. What changes by itself until the person has answered,
such as the newest message of a list, does not: the same call has to be the same question then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from whatsapp_mcp.models import EVERYTHING, Message, MessageFilter, Page
from whatsapp_mcp.server.fencing import in_quotes

_QUERY: Final = 100
"""Characters of a query that are told."""
WHOLE: Final = "all of its messages"
NOTHING: Final = "that none of its messages is of the kind, the author or the time asked for"


def of_message(message: Message) -> str:
    """One message, with its file where it has one."""
    return f"#{message.ref} and its file" if message.media else f"#{message.ref}"


def around(message: Message, before: int, after: int) -> str:
    """One message and those around it."""
    if not (before or after):
        return of_message(message)
    return f"#{message.ref}, up to {before} messages before it and {after} after it"


def of_refs(refs: Sequence[int], context: int = 0) -> str:
    """Exactly these messages, each after up to `context` others."""
    named = ", ".join(f"#{ref}" for ref in sorted(refs))
    return f"{_count(len(refs))}: {named}{_context(context)}"


def of_page(
    page: Page[Message],
    where: MessageFilter,
    *,
    limit: int,
    cursor: str | None,
    oldest_first: bool = False,
    context: int = 0,
) -> str:
    """A page of the messages of a chat.

    Args:
        page: It is not empty.
        where: What was asked for.
        limit: How many were.
        cursor: After which page.
        oldest_first: Whether the page begins with the oldest.
        context: How many others stand before each.
    """
    if replace(where, chat=None, since=None, until=None) != EVERYTHING:
        return of_refs([message.ref for message in page.items], context)
    first, *_, last = sorted((page.items[0], page.items[-1]), key=lambda one: (one.timestamp, one.ref))
    if cursor is not None or oldest_first or where.until is not None:
        amount = f"{_count(len(page.items))}, #{first.ref} to #{last.ref}"
    elif page.next_cursor is not None:
        amount = f"the newest {_count(len(page.items))}"
    else:
        amount = f"what was written from #{first.ref} on, {_count(limit)} at most"
    return amount + _context(context)


def of_search(query: str, limit: int, context: int = 0) -> str:
    """Describe the hits of a search in a chat, whether there are any or not."""
    return f"what a search for {in_quotes(query, _QUERY)} finds, {_count(limit)} at most{_context(context)}"


def of_new(after: int | None, most: int) -> str:
    """Describe incoming messages, after a change of the archive if one is given."""
    since = "" if after is None else f" after change {after}"
    return f"new messages{since}, {most} at most"


def _count(messages: int) -> str:
    return f"{messages} message{'' if messages == 1 else 's'}"


def _context(count: int) -> str:
    return f", each with up to {count} before it" if count else ""
