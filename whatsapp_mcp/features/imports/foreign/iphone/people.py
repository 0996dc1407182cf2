"""People, groups and channels of an iPhone: what its databases say of names and addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from whatsapp_mcp.features.imports.foreign.database import Opened, Schema, text_of
from whatsapp_mcp.features.imports.foreign.iphone.blobs import jid
from whatsapp_mcp.models import ForeignChat, ForeignPerson

_MOST: Final = 200_000
"""Rows of one table, and people, groups or members in all."""
_NAME: Final = 256
"""Characters; WhatsApp's own have 100 at most."""
_PERSON: Final = re.compile(r"\d{5,20}@(?:s\.whatsapp\.net|c\.us|lid)")
_NUMBER: Final = re.compile(r"[+\d\s().\-\u2010-\u2015\u00a0]*")
_BIDI: Final = dict.fromkeys((0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
"""WhatsApp puts such marks around names; they are no part of them."""


def people(archive: Opened) -> tuple[ForeignPerson, ...]:
    """Everybody of whom a name, or a second address, is known."""
    by_jid: dict[str, ForeignPerson] = {}

    def note(person: str | None, **facts: str | None) -> None:
        if person is None or (person not in by_jid and len(by_jid) >= _MOST):
            return
        known = by_jid.setdefault(person, ForeignPerson(person))
        # What is there stays: the tables come in the order in which they are believed.
        new = {name: value for name, value in facts.items() if value and getattr(known, name) is None}
        if new:
            by_jid[person] = replace(known, **new)

    everything = (archive, *archive.companions)
    for lid, number in _pairs(everything):
        note(lid, other=number)
    names = ("ZFULLNAME", "ZBUSINESSNAME", "ZLID")
    for number, full, business, lid in _rows(everything, "ZWAADDRESSBOOKCONTACT", ("ZWHATSAPPID",), names):
        for person in (_number(number), _lid(lid)):
            note(person, saved_name=_name(full), business_name=_name(business))
    for address, name in _rows((archive,), "ZWACHATSESSION", ("ZCONTACTJID", "ZPARTNERNAME")):
        note(_person(address), saved_name=_name(name))
    for address, name in _rows((archive,), "ZWAGROUPMEMBER", ("ZMEMBERJID", "ZCONTACTNAME")):
        note(_person(address), saved_name=_name(name))
    for address, name in _rows((archive,), "ZWAPROFILEPUSHNAME", ("ZJID", "ZPUSHNAME")):
        note(_person(address), push_name=_name(name))
    return tuple(person for person in by_jid.values() if person != ForeignPerson(person.jid))


def chats(archive: Opened) -> tuple[ForeignChat, ...]:
    """All groups with those who are in them now, and all channels and lists."""
    db, schema = archive.db, archive.schema
    numbers = dict(_pairs((archive, *archive.companions)))
    members: dict[Any, dict[str, int]] = {}
    if schema.has("ZWAGROUPMEMBER", "ZCHATSESSION", "ZMEMBERJID"):
        active, admin = (_column(schema, "ZWAGROUPMEMBER", name) for name in ("ZISACTIVE", "ZISADMIN"))
        for session, address, role in db.execute(
            f"SELECT ZCHATSESSION, ZMEMBERJID, coalesce({admin}, 0) = 1 FROM main.ZWAGROUPMEMBER"  # noqa: S608
            f" WHERE coalesce({active}, 1) = 1 ORDER BY rowid LIMIT ?",
            (_MOST,),
        ):
            person = _person(address)
            if person is not None:
                members.setdefault(session, {})[person] = role
    results: list[ForeignChat] = []
    for session, address, name in db.execute(
        "SELECT rowid, ZCONTACTJID, ZPARTNERNAME FROM main.ZWACHATSESSION ORDER BY rowid LIMIT ?", (_MOST,)
    ):
        chat = jid(address)
        if chat is None or not chat.endswith(("@g.us", "@newsletter", "@broadcast")):
            continue
        inside = members.get(session, {}) if chat.endswith("@g.us") else {}
        # A group often has two rows for one person, one for each address; then the number says it all.
        twins = {lid for lid in inside if numbers.get(lid) in inside}
        for lid in twins:
            inside[numbers[lid]] |= inside[lid]
        results.append(
            ForeignChat(chat, _name(name), tuple(each for each in inside.items() if each[0] not in twins))
        )
    return tuple(results)


def _pairs(databases: Sequence[Opened]) -> Iterator[tuple[str, str]]:
    """LID and number of one person, wherever they stand together."""
    # A session is named by the one, and has the other beside it.
    for first, second in _rows(databases, "ZWACHATSESSION", ("ZCONTACTJID", "ZCONTACTIDENTIFIER")):
        for lid, number in ((first, second), (second, first)):
            if isinstance(lid, str) and lid.endswith("@lid"):
                yield from _pair(lid, number)
    for table, *columns in (
        ("ZWAZACCOUNT", "ZIDENTIFIER", "ZPHONENUMBER"),
        ("ZWAPHONENUMBERLIDPAIR", "ZLID", "ZPHONENUMBER"),
        ("ZWAADDRESSBOOKCONTACT", "ZLID", "ZWHATSAPPID"),
    ):
        for lid, number in _rows(databases, table, columns):
            yield from _pair(lid, number)


def _pair(lid: Any, number: Any) -> Iterator[tuple[str, str]]:
    lid_jid, other = _lid(lid), _number(number)
    if lid_jid is not None and other is not None:
        yield lid_jid, other


def _rows(
    databases: Sequence[Opened], table: str, needed: Sequence[str], more: Sequence[str] = ()
) -> Iterator[tuple[Any, ...]]:
    """Columns of a table: those that must be there, and `more`, None where they are not."""
    for each in databases:
        if each.schema.has(table, *needed):
            columns = ", ".join((*needed, *(_column(each.schema, table, name) for name in more)))
            yield from each.db.execute(f"SELECT {columns} FROM main.{table} ORDER BY rowid LIMIT ?", (_MOST,))  # noqa: S608


def _column(schema: Schema, table: str, name: str) -> str:
    return name if schema.has(table, name) else "NULL"


def _person(value: Any) -> str | None:
    return value if isinstance(value, str) and _PERSON.fullmatch(value) else None


def _number(value: Any) -> str | None:
    """The address of a number; tables have it as an address or as digits."""
    if not isinstance(value, str):
        return None
    digits, separator, server = value.removeprefix("+").partition("@")
    if separator and server not in ("s.whatsapp.net", "c.us"):
        return None
    return _person(f"{digits}@s.whatsapp.net")


def _lid(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    digits, separator, server = value.partition("@")
    return _person(f"{digits}@lid") if not separator or server == "lid" else None


def _name(value: Any) -> str | None:
    """A name; None for what is none, as the number of somebody who has none."""
    name = (text_of(value) or "").translate(_BIDI).strip()[:_NAME]
    return None if _NUMBER.fullmatch(name) else name
