"""People, groups and channels: what `msgstore.db` and `wa.db` say of names and addresses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from whatsapp_mcp.features.imports.foreign.android.rows import address, jid_of
from whatsapp_mcp.features.imports.foreign.database import Opened, Schema, text_of
from whatsapp_mcp.models import ForeignChat, ForeignPerson

_MOST: Final = 200_000
"""Rows of one table."""
_NAME: Final = 256
_PERSONS: Final = ("@s.whatsapp.net", "@lid")
_JID: Final = ("raw_string", "user", "server")


def tables(schema: Schema) -> Iterator[str]:
    """The tables that are read here, of `msgstore.db`."""
    known = ("jid", "chat", "chat_list", "jid_map", "lid_display_name", "newsletter")
    members = ("group_participant_user", "group_participants")
    yield from (table for table in (*known, *members) if table in schema.tables)


def people(archive: Opened) -> tuple[ForeignPerson, ...]:
    """Everybody of whom a name, or a second address, is known."""
    known: dict[str, ForeignPerson] = {}

    def note(value: Any, **facts: str | None) -> None:
        person = address(value)
        if person is None or not person.endswith(_PERSONS):
            return
        before = known.setdefault(person, ForeignPerson(person))
        new = {name: fact for name, fact in facts.items() if fact and getattr(before, name) is None}
        if new:
            known[person] = replace(before, **new)

    if archive.schema.has("jid", *_JID):
        for lid, number in _rows(archive, "jid_map", ("lid_row_id", "jid_row_id")):
            other = address(number)
            note(lid, other=other if other and other.endswith("@s.whatsapp.net") else None)
        for lid, name in _rows(archive, "lid_display_name", ("lid_row_id", "display_name")):
            note(lid, push_name=_name(name))
    for beside in archive.companions:
        more = ("display_name", "wa_name")
        for jid, saved, chosen in _rows(beside, "wa_contacts", ("jid",), more):
            note(jid, saved_name=_name(saved), push_name=_name(chosen))
        for jid, verified in _rows(beside, "wa_vnames", ("jid", "verified_name")):
            note(jid, business_name=_name(verified))
    return tuple(person for person in known.values() if person != ForeignPerson(person.jid))


def chats(archive: Opened) -> tuple[ForeignChat, ...]:
    """All groups with those who are in them, and all channels and lists."""
    members: dict[str, dict[str, int]] = {}
    for group, person, rank in _members(archive):
        chat, who = address(group), address(person)
        if chat is not None and who is not None and who.endswith(_PERSONS):
            role = rank if isinstance(rank, int) and 0 <= rank <= 2 else 0
            members.setdefault(chat, {})[who] = role
    names: dict[str, str | None] = {}
    for jid, name in _names(archive):
        chat = address(jid)
        if chat is not None and chat.endswith(("@g.us", "@newsletter", "@broadcast")):
            names[chat] = names.get(chat) or _name(name)
    return tuple(ForeignChat(jid, name, tuple(members.get(jid, {}).items())) for jid, name in names.items())


def _members(archive: Opened) -> Iterator[tuple[Any, ...]]:
    has_jids = archive.schema.has("jid", *_JID)
    if has_jids:
        yield from _rows(archive, "group_participant_user", ("group_jid_row_id", "user_jid_row_id", "rank"))
    yield from _rows(archive, "group_participants", ("gjid", "jid", "admin"))


def _names(archive: Opened) -> Iterator[tuple[Any, ...]]:
    if archive.schema.has("jid", *_JID):
        if archive.schema.has("newsletter", "chat_row_id", "name") and archive.schema.has(
            "chat", "jid_row_id"
        ):
            yield from archive.db.execute(
                f"SELECT {jid_of('c.jid_row_id')}, n.name FROM main.newsletter AS n"  # noqa: S608
                " CROSS JOIN main.chat AS c ON c.rowid = n.chat_row_id LIMIT ?",
                (_MOST,),
            )
        yield from _rows(archive, "chat", ("jid_row_id", "subject"))
    yield from _rows(archive, "chat_list", ("key_remote_jid", "subject"))


def _rows(
    archive: Opened, table: str, needed: Sequence[str], more: Sequence[str] = ()
) -> Iterator[tuple[Any, ...]]:
    """Columns of a table, with addresses in place of their numbers; nothing if it is not as it must be."""
    if archive.schema.has(table, *needed):
        names = (*needed, *(name if archive.schema.has(table, name) else "NULL" for name in more))
        taken = ", ".join(jid_of(f"t.{name}") if _is_number(name) else name for name in names)
        query = f"SELECT {taken} FROM main.{table} AS t ORDER BY t.rowid LIMIT ?"  # noqa: S608
        yield from archive.db.execute(query, (_MOST,))


def _is_number(column: str) -> bool:
    return column.endswith("jid_row_id") or column == "lid_row_id"


def _name(value: Any) -> str | None:
    name = (text_of(value) or "").strip()[:_NAME]
    return name or None
