"""WhatsApp on an iPhone: `ChatStorage.sqlite`, as `ForeignPage`s.

It is a store of Apple's Core Data: each entity a table named `ZWA…`, each attribute a column named `Z…`, each
row numbered by `Z_PK`. WhatsApp publishes nothing of it; docs/importing.md says what is known and from where.
Beside it may be `ContactsV2.sqlite` (names), `LID.sqlite` (whose number a LID is) and `CallHistory.sqlite`.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import Any, Final, NamedTuple

from whatsapp_mcp.features.imports.foreign.database import Opened, Schema, text_of
from whatsapp_mcp.features.imports.foreign.iphone import blobs, kinds
from whatsapp_mcp.features.imports.foreign.iphone.calls import Calls, Details
from whatsapp_mcp.features.imports.foreign.iphone.people import chats, people
from whatsapp_mcp.features.imports.foreign.said import Said
from whatsapp_mcp.models import ForeignMessage, ForeignPage, ImportSource, MessageKind, Unreadable

SOURCE: Final = ImportSource.IPHONE

_CALLS: Final = 1 << 62
"""First number of the rows of calls, which no message has."""
_QUOTE: Final = 500
_FORWARDED: Final = 1 << 7
"""Bit of `ZFLAGS` that marks a forwarded message."""
_NEEDED: Final = {
    "ZWACHATSESSION": ("ZCONTACTJID", "ZPARTNERNAME"),
    "ZWAMESSAGE": ("ZCHATSESSION", "ZISFROMME", "ZMESSAGETYPE", "ZMESSAGEDATE", "ZSTANZAID", "ZTEXT"),
    "ZWAGROUPMEMBER": ("ZMEMBERJID",),
    "ZWAMEDIAITEM": ("ZMEDIALOCALPATH",),
}
"""Tables and columns that a version must have to be read here."""
_MEDIA: Final = (
    *("ZMEDIALOCALPATH", "ZFILESIZE", "ZMOVIEDURATION", "ZTITLE", "ZLATITUDE", "ZLONGITUDE", "ZMEDIAURL"),
    *("ZVCARDSTRING", "ZVCARDNAME", "ZMEDIAKEY", "ZMETADATA", "ZMEDIAORIGIN"),
)


class _Row(NamedTuple):
    number: int
    session: Any
    from_me: Any
    kind: Any
    event: Any
    text: Any
    date: Any
    id: Any
    sender: Any
    member: Any
    starred: Any
    flags: Any
    parent: Any
    receipts: Any


def fits(schema: Schema) -> bool:
    """Return whether a database is a `ChatStorage.sqlite` of a known version."""
    return all(schema.has(table, *columns) for table, columns in _NEEDED.items())


def tables(schema: Schema) -> tuple[str, ...]:
    """The tables that are read."""
    more = ("ZWAMESSAGEINFO", "ZWAPROFILEPUSHNAME", "ZWAPHONENUMBERLIDPAIR")
    return (*_NEEDED, *(table for table in more if schema.has(table)))


def total(archive: Opened) -> int:
    """Return the number of messages; calls come on top."""
    return archive.db.execute("SELECT count(*) FROM main.ZWAMESSAGE").fetchone()[0]


def page(archive: Opened, after: int | None, rows: int) -> ForeignPage:
    """Messages in the order of their rows, and after the last one the calls that are not among them."""
    calls = Calls(archive.companions)
    if after is not None and after >= _CALLS:
        return _page_of_calls(archive.db, calls, after, rows)
    taken = _messages(archive.db, archive.schema, after, rows)
    known = calls.of(row.id for row, _ in taken if row.kind == kinds.CALL)
    read = [_message(row, media, known) for row, media in taken]
    messages = tuple(each for each in read if isinstance(each, ForeignMessage))
    unreadable = Counter(each for each in read if isinstance(each, Unreadable))
    unknown = sum(message.kind is MessageKind.UNKNOWN for message in messages)
    if unknown:
        unreadable[Unreadable.UNKNOWN_KIND] = unknown
    following = taken[-1][0].number if len(taken) == rows else _CALLS if calls else None
    begins = after is None
    return ForeignPage(
        messages,
        people=people(archive) if begins else (),
        chats=chats(archive) if begins else (),
        unreadable=dict(unreadable),
        following=following,
        read=len(taken),
    )


def _page_of_calls(db: sqlite3.Connection, calls: Calls, after: int, rows: int) -> ForeignPage:
    # A newer version has a row of its own for each call among the messages; there it is read already.
    query = "SELECT ZSTANZAID FROM main.ZWAMESSAGE WHERE ZMESSAGETYPE = ?"
    there = {wa_id for (wa_id,) in db.execute(query, (kinds.CALL,)) if isinstance(wa_id, str)}
    messages, unreadable, last = calls.messages(after - _CALLS, rows, there)
    return ForeignPage(
        messages, unreadable=unreadable, following=None if last is None else _CALLS + last, read=0
    )


def _messages(
    db: sqlite3.Connection, schema: Schema, after: int | None, rows: int
) -> list[tuple[_Row, kinds.Media]]:
    def column(alias: str, table: str, name: str) -> str:
        return f"{alias}.{name}" if schema.has(table, name) else "NULL"

    # By rowid, which is always an index; a forged table may have none on Z_PK, which is the same number.
    columns = (
        *("m.rowid", "s.ZCONTACTJID", "m.ZISFROMME", "m.ZMESSAGETYPE"),
        column("m", "ZWAMESSAGE", "ZGROUPEVENTTYPE"),
        *("m.ZTEXT", "m.ZMESSAGEDATE", "m.ZSTANZAID"),
        column("m", "ZWAMESSAGE", "ZFROMJID"),
        "g.ZMEMBERJID",
        column("m", "ZWAMESSAGE", "ZSTARRED"),
        column("m", "ZWAMESSAGE", "ZFLAGS"),
        column("p", "ZWAMESSAGE", "ZSTANZAID"),
        column("i", "ZWAMESSAGEINFO", "ZRECEIPTINFO"),
        *(column("d", "ZWAMEDIAITEM", name) for name in _MEDIA),
    )
    links = {
        name: column("m", "ZWAMESSAGE", name) for name in ("ZGROUPMEMBER", "ZPARENTMESSAGE", "ZMEDIAITEM")
    }
    info = ""
    if schema.has("ZWAMESSAGEINFO", "ZRECEIPTINFO"):
        link = column("m", "ZWAMESSAGE", "ZMESSAGEINFO")
        info = f"LEFT JOIN main.ZWAMESSAGEINFO AS i ON i.rowid = {link}"
    cursor = db.execute(
        f"""SELECT {", ".join(columns)} FROM main.ZWAMESSAGE AS m
        LEFT JOIN main.ZWACHATSESSION AS s ON s.rowid = m.ZCHATSESSION
        LEFT JOIN main.ZWAGROUPMEMBER AS g ON g.rowid = {links["ZGROUPMEMBER"]}
        LEFT JOIN main.ZWAMESSAGE AS p ON p.rowid = {links["ZPARENTMESSAGE"]}
        LEFT JOIN main.ZWAMEDIAITEM AS d ON d.rowid = {links["ZMEDIAITEM"]}
        {info}
        WHERE m.rowid > ? AND m.rowid < ? ORDER BY m.rowid LIMIT ?""",  # noqa: S608
        (-(1 << 63) if after is None else after, _CALLS, rows),
    )
    width = len(_Row._fields)
    return [(_Row(*row[:width]), kinds.Media(*row[width:])) for row in cursor]


def _message(row: _Row, media: kinds.Media, calls: dict[str, Details]) -> ForeignMessage | Unreadable:
    """A row whose types are right: what must be there is, and what may be there is left out if it is not."""
    if row.id is None or row.id == "":
        return Unreadable.NO_ID
    chat, sent_at = _chat(row.session), kinds.seconds(row.date)
    if not isinstance(row.id, str) or row.from_me not in (0, 1, None) or not isinstance(row.kind, int | None):
        return Unreadable.DAMAGED
    if chat is None:
        return Unreadable.NO_CHAT
    if sent_at is None:
        return Unreadable.NO_TIME
    address, author = chat
    sender = None if row.from_me else author or _author(row, address)
    if sender is None and not row.from_me:
        return Unreadable.NO_SENDER
    try:
        return _whole(row, media, calls, ForeignMessage(row.id[:128], address, sender, sent_at))
    except ValueError:
        return Unreadable.DAMAGED


def _whole(row: _Row, media: kinds.Media, calls: dict[str, Details], head: ForeignMessage) -> ForeignMessage:
    """The message with what it says.

    Raises:
        ValueError: A blob of it is damaged.
    """
    at_ms, kind, revoked_at = head.at * 1000, row.kind or 0, None
    poll = blobs.poll(row.receipts, at_ms) if kind in kinds.POLLS else None
    if kind == kinds.DELETED:
        # When is not kept; the row has taken the place of the message and has its time.
        said, revoked_at = Said(MessageKind.TEXT), head.at
    elif kind == kinds.CALL:
        said = Said(MessageKind.CALL, "", calls.get(head.id, {"call": {}}))
    elif poll is not None:
        said = Said(MessageKind.POLL, poll.question, {"options": list(poll.options), "choose": 0})
    else:
        said = kinds.said(kind, row.event, row.text, head.sender, media)
    details = dict(said.details or {})
    quote = blobs.quote(media.metadata)
    if quote is not None and quote.text is not None:
        details["quote"] = {"sender": quote.sender, "text": quote.text[:_QUOTE]}
    return ForeignMessage(
        head.id,
        head.chat,
        head.sender,
        head.at,
        said.kind,
        said.text,
        reply_to=quote.id if quote else text_of(row.parent),
        starred=row.starred == 1,
        forwarded=isinstance(row.flags, int) and bool(row.flags & _FORWARDED),
        details=details,
        file=said.file,
        revoked_at=revoked_at,
        reactions=blobs.reactions(row.receipts, at_ms),
        votes=poll.votes if poll else (),
    )


def _chat(session: Any) -> tuple[str, str | None] | None:
    """The address of a chat, and the one who writes there if it is a person's status.

    An iPhone keeps a list for each person whose status was seen: `<number>@status`, `<LID>@lid.status`.
    """
    jid = blobs.jid(session)
    if jid is None:
        return None
    user, _, server = jid.partition("@")
    if server in ("status", "lid.status"):
        return "status@broadcast", f"{user}@{'lid' if server.startswith('lid') else 's.whatsapp.net'}"
    return jid, None


def _author(row: _Row, chat: str) -> str | None:
    """Return the author of a message that the owner did not write; None if unknown."""
    if not chat.endswith(("@g.us", "@broadcast")):
        return chat
    for found in (blobs.jid(row.member), blobs.jid(row.sender)):
        if found is not None and not found.endswith("@g.us"):
            return found
    # What happened in a group has no author where nobody is named; a message must have one.
    return chat if kinds.is_event(row.kind) else None
