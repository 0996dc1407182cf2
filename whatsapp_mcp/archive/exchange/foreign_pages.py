"""Taking over pages of another archive, whose messages have the ids that WhatsApp gave them.

Whoever made the file can have made it up, so it says little: `docs/archive.md` has the rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from whatsapp_mcp import decoding
from whatsapp_mcp.archive.exchange.import_records import add_to_report
from whatsapp_mcp.archive.identity import chat_kind
from whatsapp_mcp.archive.write import Applying, Ingest
from whatsapp_mcp.decoding import ChatUpdate, Content, Flag, MessageUpdate, Update
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.models import ChatKind, ForeignMessage, ForeignPage, ImportReport, Unreadable

_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")
_FIRST: Final = 1_230_768_000
"""The first second of 2009, when WhatsApp began: nothing was said before."""
_AHEAD: Final = 86_400


def import_page(on: Applying, number: int, page: ForeignPage) -> ImportReport:
    """See `Archive.import_page`."""
    batch = Ingest(on)
    unreadable = dict(page.unreadable)
    updates: list[Update] = [*_chats(page)]
    for message in page.messages:
        read = _message(on, message)
        if isinstance(read, Unreadable):
            unreadable[read] = unreadable.get(read, 0) + 1
        else:
            updates.append(read)
    batch.apply(updates)
    batch.finish()
    report = ImportReport(batch.new, batch.duplicates, unreadable=unreadable)
    on.db.execute("UPDATE imports SET position = ? WHERE id = ?", (page.following, number))
    add_to_report(on.db, number, report)
    return report


def _chats(page: ForeignPage) -> Iterator[ChatUpdate]:
    for chat in page.chats:
        jid = _jid(chat.jid)
        if jid is not None and chat.name and chat_kind(jid) is not ChatKind.DIRECT:
            yield ChatUpdate(jid, name=chat.name)


def _jid(text: str) -> str | None:
    try:
        return str(Jid.parse(text).bare) if len(text) <= decoding.MAX_JID else None
    except InvalidArgument:
        return None


def _message(on: Applying, message: ForeignMessage) -> MessageUpdate | Unreadable:
    chat = _jid(message.chat)
    if chat is None:
        return Unreadable.NO_CHAT
    if not _ID.fullmatch(message.id):
        return Unreadable.NO_ID
    if not _FIRST <= message.at <= on.seconds + _AHEAD:
        return Unreadable.NO_TIME
    sender = None if message.sender is None else _jid(message.sender)
    if message.sender is not None and sender is None:
        return Unreadable.NO_SENDER
    content = Content(message.kind, message.text.replace("\0", "\ufffd"), flags=int(Flag.IMPORTED))
    return MessageUpdate(chat, sender, message.id, message.at, content, live=False)
