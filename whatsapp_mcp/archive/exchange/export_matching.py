"""Which chat an exported one is, by the title that the phone gave its file and by who wrote in it.

A phone titles a file with the name under which its owner knows the chat, in words of its language before or
behind it: `WhatsApp Chat with Ana`, `Conversa do WhatsApp com Ana`, `Ana के साथ WhatsApp चैट`. So only the end
or the beginning of a title counts. Names that people give themselves make a chat a candidate, never certain:
else whoever calls themselves as somebody's mother would get her messages.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from whatsapp_mcp.archive.database import fold
from whatsapp_mcp.archive.state import current_members
from whatsapp_mcp.decoding import CHAT_KIND_NUMBER, OWNER
from whatsapp_mcp.jid import looks_like_number, number_of, other_spellings
from whatsapp_mcp.models import ChatKind, ExportMatch, ExportOutline

_CANDIDATES: Final = 10
"""Most chats that are suggested for one export."""
_FEW: Final = 3
"""Authors of an export that is likely no group's, whose names are looked for as well."""
_WORDS: Final = re.compile(r"[^\W_]+")
_TITLE_WORDS: Final = 60
"""Most words of a title that are looked at."""
_COPY: Final = re.compile(r"(?<![ _-])[ _-]*\(\d{1,3}\)$|-\d{1,2}$")
"""Suffix that a browser or a phone adds to the name of a file that exists already."""
_NUMBER_DIGITS: Final = 7
"""Fewest digits of a title that may be a phone number."""
_SELF: Final = "you"
"""Name of the owner in the notices of an iPhone in English."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may have written in a chat.

    Attributes:
        names: All their names and numbers, as `comparable` has them.
        given: Those that the owner gave them, and the numbers.
    """

    names: frozenset[str]
    given: frozenset[str]


@dataclass(frozen=True, slots=True)
class NamedChat:
    """A chat that an export may be.

    Attributes:
        jid: Of the chat.
        is_group: Else it is one person's.
        people: Who may have written in it, beside the owner; of a group as far as they are known.
        titles: Names under which the owner knows it, as `comparable` has them.
        others: Its other names.
    """

    jid: str
    is_group: bool
    people: tuple[Person, ...]
    titles: frozenset[str]
    others: frozenset[str] = frozenset()


def comparable(name: str) -> str:
    """A name without what a file system or a phone may change in it; a number as its digits."""
    if looks_like_number(name):
        return "".join(filter(str.isdecimal, fold(name)))
    folded = fold(name)
    return " ".join(_WORDS.findall(folded)) or folded.strip()


def affixes(file: str) -> dict[str, int]:
    """Return the beginnings and ends of a title, as `comparable` gives names, with their word counts."""
    title = fold(PurePath(file).stem)
    word_counts: dict[str, int] = {}
    for text in (title, _COPY.sub("", title)):
        words = _WORDS.findall(text)[:_TITLE_WORDS]
        for count in range(1, len(words) + 1):
            for part in (words[-count:], words[:count]):
                word_counts[" ".join(part)] = count
                digits = "".join(part)
                if digits.isdecimal() and len(digits) >= _NUMBER_DIGITS:
                    word_counts[digits] = count
        # A name of emoji alone has no words.
        for piece in (text.rpartition(" ")[2], text.partition(" ")[0]):
            word_counts.setdefault(piece, 1)
    return word_counts


def matched(export: ExportOutline, chats: Sequence[NamedChat], owner: Collection[str]) -> ExportMatch:
    """Which of these chats an export is.

    It is certain where, of the chats with the longest name in the title, those who wrote the export write in
    exactly one.

    Args:
        export: Its file and authors.
        chats: Those that may be meant, and any others.
        owner: Names of the account's owner, as `comparable` has them.
    """
    title = affixes(export.file)
    authors = {comparable(name) for name in export.authors} - {*owner, _SELF}

    def length(names: Iterable[str]) -> int:
        return max((title.get(name, 0) for name in names), default=0)

    lengths = {chat.jid: length(chat.titles) for chat in chats}
    longest = max(lengths.values(), default=0)
    fitting = {chat.jid for chat in chats if wrote(chat, authors)}
    certain = [jid for jid in fitting if longest and lengths[jid] == longest]
    likely = [
        chat
        for chat in chats
        if lengths[chat.jid] or length(chat.others) or (chat.jid in fitting and not chat.is_group)
    ]
    likely.sort(
        key=lambda chat: (chat.jid not in fitting, -lengths[chat.jid], -length(chat.others), chat.jid)
    )
    return ExportMatch(
        export.file,
        certain[0] if len(certain) == 1 else None,
        tuple(chat.jid for chat in likely[:_CANDIDATES]),
    )


def wrote(chat: NamedChat, authors: Collection[str]) -> bool:
    """Return whether these authors, beside the owner, are the people who write in a chat.

    In a chat with one person that is them alone; in a group most of them are members, and one at least by a
    name that the owner gave, or by number.
    """
    names = frozenset[str]().union(*(person.names for person in chat.people))
    given = frozenset[str]().union(*(person.given for person in chat.people))
    if not authors or given.isdisjoint(authors):
        return False
    if chat.is_group:
        return 2 * len(names.intersection(authors)) > len(authors)
    return names.issuperset(authors)


def match_exports(db: sqlite3.Connection, exports: Sequence[ExportOutline]) -> tuple[ExportMatch, ...]:
    """Match exported chats with the chats of the archive."""
    row = db.execute("SELECT pn, name_norm FROM contacts WHERE id = ?", (OWNER,)).fetchone()
    owner = frozenset({*map(comparable, row[1].split("\n")), *_numbers(row[0])})
    wanted = frozenset[str]().union(*(_wanted(export) for export in exports))
    chats = (*_people(db, wanted), *_groups(db, wanted))
    return tuple(matched(export, chats, owner) for export in exports)


def _wanted(export: ExportOutline) -> set[str]:
    authors = export.authors if len(export.authors) <= _FEW else ()
    return {*affixes(export.file), *map(comparable, authors)}


def _people(db: sqlite3.Connection, wanted: Collection[str]) -> list[NamedChat]:
    """Everybody with one of these names."""
    chats: list[NamedChat] = []
    for jid, *names in db.execute(
        f"SELECT coalesce(pn, lid), {_NAMES} FROM contacts AS s WHERE id != ?",  # noqa: S608
        (OWNER,),
    ):
        person = _person(*names)
        if jid is not None and not person.names.isdisjoint(wanted):
            chats.append(NamedChat(jid, False, (person,), person.given, person.names - person.given))
    return chats


def _groups(db: sqlite3.Connection, wanted: Collection[str]) -> list[NamedChat]:
    """Groups with one of these names, and their members."""
    named = {
        number: (jid, comparable(name))
        for number, jid, name in db.execute(
            "SELECT id, jid, name FROM chats WHERE kind = ? AND name IS NOT NULL",
            (CHAT_KIND_NUMBER[ChatKind.GROUP],),
        )
        if comparable(name) in wanted
    }
    members = current_members(db, [*named]) if named else {}
    return [
        NamedChat(jid, True, tuple(_members(db, [*members.get(number, {})])), frozenset({name}))
        for number, (jid, name) in named.items()
    ]


def _members(db: sqlite3.Connection, contacts: Sequence[int]) -> list[Person]:
    marks = ", ".join("?" * len(contacts))
    rows = db.execute(
        f"SELECT {_NAMES} FROM contacts AS s WHERE id IN ({marks}) AND id != ?",  # noqa: S608
        (*contacts, OWNER),
    )
    return [_person(*row) for row in rows]


_NAMES: Final = "s.pn, s.saved_name, s.business_name, s.push_name, s.given_name"


def _person(number: str | None, saved: str | None, *others: str | None) -> Person:
    given = frozenset(_numbers(number)) | {comparable(name) for name in (saved,) if name}
    return Person(given | {comparable(name) for name in others if name}, given)


def _numbers(jid: str | None) -> set[str]:
    """The digits of a number, in each way in which it may be written."""
    if jid is None:
        return set()
    return {number[1:] for each in (jid, *other_spellings(jid)) if (number := number_of(each)) is not None}
