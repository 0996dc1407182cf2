"""Finding contacts and chats by what a person types: jid, number, name, part of a name, name with a typo."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from whatsapp_mcp import decoding
from whatsapp_mcp.archive.database import column, fold, value
from whatsapp_mcp.archive.read import chat_queries, chat_rows, cursors
from whatsapp_mcp.archive.read.lookup import chat_id, contact_id, first_id
from whatsapp_mcp.decoding import CHAT_KIND_NUMBER, OWNER
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.jid import Jid, is_person, looks_like_jid, looks_like_number, parse_number
from whatsapp_mcp.models import Chat, ChatCandidate, ChatKind, Contact, Page

_RANKS: Final = ("name", "own_name", "words", "prefix", "contains", "contains", "similar")
_UNSURE: Final = _RANKS.index("contains")
"""From this rank on, names with a slip in them may be meant as well."""
_INSIDE: Final = _UNSURE + 1
"""From this rank on, what was typed stands only within a word of the name, as `ann` in Hannes."""
_SIMILAR: Final = _INSIDE + 1
_OWNER_WORDS: Final = frozenset({"me", "myself"})
_LAST_LETTER: Final = "\U0010ffff"
"""Sorts after whatever may follow a name's first letter."""
_WORDS: Final = re.compile(r"[\w'’]+")
_TOO_SHORT: Final = 3
"""Letters that a Latin text needs to be looked for inside words: `me` is no part of Gómez."""
_EVERYBODY: Final = """SELECT 0, id, saved_name IS NOT NULL, name_norm FROM contacts WHERE id != 0 AND {0}
 UNION ALL SELECT 1, id, 1, name_norm FROM chats INDEXED BY chats_name
 WHERE contact_id IS NULL AND {0}"""
"""Everybody whose names meet a condition, as `_Named`."""
_NEWEST: Final = """SELECT 0, contact_id, last_id FROM chats
 WHERE contact_id IN (SELECT value FROM json_each(?))
 UNION ALL SELECT 1, id, last_id FROM chats WHERE id IN (SELECT value FROM json_each(?))"""
_ALIKE: Final = f"""SELECT 0, id, name_norm FROM contacts WHERE id != 0 AND name_norm >= ?1 AND name_norm < ?2
 UNION ALL SELECT 1, id, name_norm FROM chats AS c
 WHERE {chat_queries.NO_COMMUNITY} AND contact_id IS NULL AND name_norm >= ?1 AND name_norm < ?2"""  # noqa: S608
_OF_ANY: Final = """WHERE c.contact_id IN (SELECT value FROM json_each(?))
 OR (c.contact_id IS NULL AND c.id IN (SELECT value FROM json_each(?)))"""
_WROTE: Final = f"""SELECT EXISTS (SELECT 1 FROM messages WHERE chat_id = ? AND id >= ?
 AND sender_id = {OWNER} AND NOT flags & {int(decoding.Flag.IMPORTED)})"""  # noqa: S608
_SHOWN: Final = """WHERE c.id IN (
 SELECT id FROM chats INDEXED BY chats_name WHERE name_norm = ?1 AND contact_id IS NULL
 UNION ALL SELECT d.id FROM contacts AS s JOIN chats AS d ON d.contact_id = s.id WHERE s.id != 0
 AND s.saved_name IS NOT NULL
 AND (s.name_norm = ?1 OR s.name_norm >= ?1 || char(10) AND s.name_norm < ?1 || char(11))) LIMIT 2"""
"""Chats that the owner knows under a folded name, which is the first line of a contact's names."""


def rank_name(wanted: str, names: str, *, saved: bool) -> int | None:
    """Return how well a folded text matches names: an index of the ways to match, or None.

    Args:
        wanted: The text.
        names: One a line.
        saved: Whether the owner gave the first of them; else all are what people call themselves.
    """
    lines = names.split("\n")
    if wanted in lines:
        return 0 if saved and wanted == lines[0] else 1
    words = wanted.split()
    if not words:
        return None
    longest = max(words, key=len)
    whole = set(words)
    for line in lines:
        # The longest word rules out most lines, and costs far less than to find the words of a line.
        if longest in line and whole.issubset(_WORDS.findall(line)):
            return 2
    for line in lines:
        if line.startswith(wanted):
            return 3
    if all(any(f" {word}" in f" {line}" for line in lines) for word in words):
        return _UNSURE
    if all(any(_is_part(word, line) for line in lines) for word in words):
        return _INSIDE
    return None


def _is_part(word: str, line: str) -> bool:
    """Check whether a word begins a word of the line or, if long enough, occurs anywhere in it."""
    return f" {word}" in f" {line}" or (word in line and (len(word) >= _TOO_SHORT or not word.isascii()))


def _slips(word: str) -> int:
    """Return how many letters of a word may be wrong."""
    return 2 if len(word) >= 8 else 1 if len(word) >= 4 else 0


def _close(wanted: str, candidate: str) -> bool:
    """Check whether two words differ by no more letters than may be wrong."""
    allowed = _slips(wanted)
    if abs(len(wanted) - len(candidate)) > allowed:
        return False
    if not allowed:
        return wanted == candidate
    if len(set(wanted) - set(candidate)) > allowed:
        return False
    return distance(wanted, candidate) <= allowed


def distance(word: str, other: str) -> int:
    """Letters to insert, delete, replace or swap with a neighbour to make one word the other."""
    before: list[int] = []
    previous = list(range(len(other) + 1))
    for i, a in enumerate(word, 1):
        current = [i]
        for j, b in enumerate(other, 1):
            cost = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and word[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        before, previous = previous, current
    return previous[-1]


def chats_named_alike(db: sqlite3.Connection, jid: str, *, limit: int = 3) -> tuple[Chat, ...]:
    """Other people and groups whose shown name is that of a chat, or differs by a letter or two.

    Names that differ in the first letter are not looked at.
    """
    chat = _chat_of(db, jid)
    wanted = _wanted(chat.name)
    if not wanted or not wanted[0].isalpha():
        return ()
    # Only names with the same first letter: so the index is asked, and not every name there is.
    span = (wanted[0], wanted[0] + _LAST_LETTER)
    candidates = [
        (table, number)
        for table, number, names in db.execute(_ALIKE, span).fetchall()
        if _is_alike(wanted.split(), names.split("\n")[0].split())
    ]
    return tuple([one for one in _chats_of(db, candidates[: limit + 1]) if one.jid != chat.jid][:limit])


def likelier_chats(db: sqlite3.Connection, jid: str, since: datetime) -> tuple[Chat, ...]:
    """Return `chats_named_alike` in which the owner wrote since a time, unless they wrote to this one.

    People who are in no address book are left out: anybody may choose a name.
    """
    if _owner_wrote(db, jid, since):
        return ()
    alike = chats_named_alike(db, jid)
    return tuple(one for one in alike if not one.stranger and _owner_wrote(db, one.jid, since))


def _owner_wrote(db: sqlite3.Connection, jid: str, since: datetime) -> bool:
    """Check whether the owner wrote in a chat since a time; an imported message proves nothing."""
    return bool(value(db, _WROTE, (chat_id(db, jid), first_id(since))))


def _is_alike(words: list[str], others: list[str]) -> bool:
    """Check whether two names are the same, or differ in each word by a slip at most."""
    return len(words) == len(others) and all(map(_close, words, others))


def _bare(text: str) -> str:
    """A name without the marks with which answers show it: `@`, `~`, quotes."""
    return text.strip().lstrip("@~").strip("“”")


def _wanted(text: str) -> str:
    return " ".join(fold(text).split())


class _Named(NamedTuple):
    """Candidate for a name: a contact (table 0) or another chat (1), and whether the owner gave the name."""

    table: int
    number: int
    saved: bool
    names: str


def _holding(db: sqlite3.Connection, words: Sequence[str], *, inside: bool = False) -> list[_Named]:
    """Return the candidates whose names hold all words, each at a word's beginning if not `inside`."""
    condition = " AND ".join(f"instr(name_norm, ?{at})" for at in range(1, len(words) + 1))
    candidates = [*map(_Named._make, db.execute(_EVERYBODY.format(condition), words))]
    for word in () if inside else words:
        letters = re.escape(word)
        # The look back follows the letters, so that those are looked for first.
        begins = re.compile(f"{letters}(?<![\\w'’]{letters})").search
        candidates = [one for one in candidates if begins(one.names)]
    return candidates


def _similar(db: sqlite3.Connection, words: Sequence[str]) -> list[_Named]:
    """Return the candidates whose names hold something close to each of these words."""
    everybody = db.execute(_EVERYBODY.format("1")).fetchall()
    there = set("\n".join([names for _, _, _, names in everybody]).split())
    near = [_near(word, there) for word in words]
    if not all(near):
        return []
    return [
        _Named(table, number, saved, names)
        for table, number, saved, names in everybody
        if all(not others.isdisjoint(names.split()) for others in near)
    ]


def _near(word: str, there: Iterable[str]) -> set[str]:
    """Which words are close to one; most differ in length, which costs little to see."""
    allowed = _slips(word)
    lengths = range(len(word) - allowed, len(word) + allowed + 1)
    return {other for other in there if len(other) in lengths and _close(word, other)}


def _by_name(db: sqlite3.Connection, text: str) -> list[tuple[int, int, int, int]]:
    """(rank, newest message negated, 0 contact or 1 chat, number), best first."""
    wanted = _wanted(text)
    words = wanted.split()[: chat_queries.WORDS]
    if not words or len(text) > decoding.MAX_NAME:
        return []
    matches = _ranked(wanted, _holding(db, words))
    if not matches:
        matches = {(one.table, one.number): _SIMILAR for one in _similar(db, words)}
        matches |= _ranked(wanted, _holding(db, words, inside=True))
    newest = _newest(db, matches)
    return sorted((rank, -newest.get(one, 0), *one) for one, rank in matches.items())


def _ranked(wanted: str, candidates: Iterable[_Named]) -> dict[tuple[int, int], int]:
    """The rank of each that the text may mean, by table and number; only the best ones have one."""
    ranks = ((one, rank_name(wanted, one.names, saved=one.saved)) for one in candidates)
    matches = {(one.table, one.number): rank for one, rank in ranks if rank is not None}
    best = min(matches.values(), default=0)
    return {one: rank for one, rank in matches.items() if rank < _INSIDE or best >= _INSIDE}


def _newest(db: sqlite3.Connection, who: Iterable[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """The newest message of each, by table and number."""
    return {(table, number): last for table, number, last in db.execute(_NEWEST, _by_table(who))}


def chat_shown_as(db: sqlite3.Connection, name: str) -> Chat | None:
    """The only chat that lists show under this name, whatever its case and accents, if there is one.

    A number is no name. Unlike `resolve_chat` it does not ask what else may be meant.
    """
    wanted = _wanted(_bare(name))
    if not wanted or looks_like_number(name):
        return None
    rows = chat_rows.chat_rows(db, _SHOWN, (wanted,))
    return chat_rows.chats(db, rows)[0] if len(rows) == 1 else None


def resolve_chat(db: sqlite3.Connection, text: str, *, limit: int = 8) -> tuple[ChatCandidate, ...]:
    """Return the chats that a text (jid, number or name) may mean, best first.

    A jid or number that was never seen gives one candidate without messages. `me` is the owner. Which
    candidates are certain enough to act on, `models.meant` says. The name of a community means its
    announcement group, which has the same name: what is posted in the community is said there.
    """
    text = _bare(text)
    if text.casefold() in _OWNER_WORDS and (own := _chat_of_contact(db, OWNER)).jid:
        return (ChatCandidate(own, "jid"),)
    if looks_like_jid(text):
        return (ChatCandidate(_chat_of(db, str(Jid.parse(text).bare)), "jid"),)
    candidates: list[ChatCandidate] = []
    if looks_like_number(text):
        candidates = _by_number(db, text)
        if candidates and candidates[0].matched == "number":
            return tuple(candidates)
    named = _by_name(db, text)[:limit]
    shown = _chats_of(db, [(table, number) for _, _, table, number in named])
    for (rank, *_), chat in zip(named, shown, strict=True):
        if all(chat.jid != other.chat.jid for other in candidates):
            candidates.append(ChatCandidate(chat, _RANKS[rank]))
    communities = chat_queries.communities(db) if len(candidates) > 1 else {}
    jids = {one.chat.jid for one in candidates}
    return tuple([one for one in candidates if communities.get(one.chat.jid) not in jids][:limit])


def _by_number(db: sqlite3.Connection, text: str) -> list[ChatCandidate]:
    """The number as it stands; else contacts whose number ends with these digits."""
    digits = "".join(char for char in fold(text) if char.isdigit())
    try:
        jid = str(parse_number(text))
    except InvalidArgument:
        jid = None
    if jid is not None and (text.startswith(("+", "00")) or contact_id(db, jid) is not None):
        return [ChatCandidate(_chat_of(db, jid), "number")]
    national = digits.lstrip("0")
    ending = column(
        db, "SELECT id FROM contacts WHERE pn LIKE ? AND id != 0 LIMIT 9", (f"%{national}@s.whatsapp.net",)
    )
    if len(national) >= 6 and ending:
        return [ChatCandidate(_chat_of_contact(db, contact), "contains") for contact in ending]
    return [ChatCandidate(_chat_of(db, jid), "number")] if jid is not None else []


def _chat_of(db: sqlite3.Connection, jid: str) -> Chat:
    """The chat with this jid, or an empty one."""
    chat = chat_queries.chat(db, jid)
    if chat is not None:
        return chat
    contact = contact_id(db, jid)
    if contact is not None:
        return _chat_of_contact(db, contact)
    return chat_rows.empty_chat(jid, Jid.parse(jid).number or jid, stranger=is_person(jid))


def _chat_of_contact(db: sqlite3.Connection, contact: int) -> Chat:
    chat = chat_queries.one_chat(db, "WHERE c.contact_id = ?", contact)
    if chat is not None:
        return chat
    (person,) = [row.contact for row in chat_rows.contact_rows(db, "WHERE s.id = ?", (contact,))]
    return chat_rows.empty_chat(person.jid, person.name, stranger=person.stranger)


def _chats_of(db: sqlite3.Connection, who: Sequence[tuple[int, int]]) -> list[Chat]:
    """The chats of contacts and of other chats, by table and number, in this order."""
    rows = chat_rows.chat_rows(db, _OF_ANY, _by_table(who))
    there = {
        (1, row.id) if row.contact is None else (0, row.contact): chat
        for row, chat in zip(rows, chat_rows.chats(db, rows), strict=True)
    }
    return [there.get((table, number)) or _chat_of_contact(db, number) for table, number in who]


def _by_table(who: Iterable[tuple[int, int]]) -> list[str]:
    """The numbers of contacts, and those of chats, as JSON."""
    numbers: tuple[list[int], list[int]] = ([], [])
    for table, number in who:
        numbers[table].append(number)
    return [json.dumps(each) for each in numbers]


def contacts(
    db: sqlite3.Connection, query: str | None = None, *, limit: int = 20, cursor: str | None = None
) -> Page[Contact]:
    """People by name or number: exact, beginning, anywhere, with a typo; without a query all by name."""
    mark = cursors.fingerprint("contacts", query)
    cursors.check_limit(limit)
    if query is None or not query.strip():
        return _all_contacts(db, mark, limit, cursor)
    start = max(0, cursors.decode_id(cursor, mark) or 0)
    contact_ids = [number for _, _, table, number in _by_name(db, query.lstrip("+")) if table == 0]
    if looks_like_number(query):
        digits = "".join(char for char in fold(query) if char.isdigit()).lstrip("0")
        ending = "SELECT id FROM contacts WHERE pn LIKE ? AND id != 0"
        by_number = column(db, ending, (f"%{digits}%@s.whatsapp.net",))
        contact_ids += [contact for contact in by_number if contact not in contact_ids]
    page = contact_ids[start : start + limit]

    def after(index: int) -> str:
        return cursors.encode(mark, start + index + 1)

    following = after(limit - 1) if len(contact_ids) > start + limit else None
    these = "WHERE s.id IN (SELECT value FROM json_each(?))"
    people = {row.id: row.contact for row in chat_rows.contact_rows(db, these, (json.dumps(page),))}
    return Page(tuple(people[number] for number in page), following, after=after)


def confirmed(db: sqlite3.Connection) -> tuple[Contact, ...]:
    """The people whom a person has confirmed, by name."""
    rest = """WHERE s.id IN (SELECT a.contact_id FROM addresses AS a JOIN confirmed AS f ON f.jid = a.jid)
        ORDER BY s.name_norm, s.id"""
    return tuple(row.contact for row in chat_rows.contact_rows(db, rest))


def _all_contacts(db: sqlite3.Connection, mark: str, limit: int, after: str | None) -> Page[Contact]:
    condition, values = "s.id != 0", list[Any]()
    if after is not None:
        condition += " AND (s.name_norm, s.id) > (?, ?)"
        values = cursors.decode(after, mark, str, int)
    rest = f"WHERE {condition} ORDER BY s.name_norm, s.id LIMIT ?"
    rows = chat_rows.contact_rows(db, rest, [*values, limit + 1])
    page = rows[:limit]

    def behind(index: int) -> str:
        return cursors.encode(mark, page[index].name_norm, page[index].id)

    following = behind(-1) if len(rows) > limit else None
    return Page(tuple(row.contact for row in page), following, after=behind)


def unnamed_chats(db: sqlite3.Connection) -> tuple[str, ...]:
    """Jids of groups and people without a known name, of the 200 newest chats, newest first."""
    # Only the newest: this is asked after every batch, and the whole list is thousands of rows.
    jids = column(
        db,
        """SELECT c.jid FROM (SELECT * FROM chats WHERE last_id > 0 ORDER BY last_id DESC LIMIT 200) AS c
        LEFT JOIN contacts AS p ON p.id = c.contact_id
        WHERE (c.kind = ?1 AND c.name IS NULL)
        OR (p.id > 0 AND coalesce(p.saved_name, p.given_name, p.business_name, p.push_name) IS NULL)
        ORDER BY c.last_id DESC""",
        (CHAT_KIND_NUMBER[ChatKind.GROUP],),
    )
    return tuple(jids)
