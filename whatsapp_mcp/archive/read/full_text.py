"""Search: by words in the index, newest first or by relevance; or inside of words, by reading the texts."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, Literal

from whatsapp_mcp.archive.database import column, fold, placeholders, value
from whatsapp_mcp.archive.read import chat_queries, cursors, files, message_rows, people, snippets
from whatsapp_mcp.archive.read.lookup import chat_id, contact_id, like
from whatsapp_mcp.archive.read.message_queries import COUNTED, filter_conditions, of_kinds, with_values
from whatsapp_mcp.archive.read.message_rows import MessageRow, Snippet, time_of
from whatsapp_mcp.archive.read.search_query import HAS, IS, Alternatives, Query, Term, any_of, parse
from whatsapp_mcp.archive.state import BETWEEN, READING_KINDS
from whatsapp_mcp.decoding import Flag
from whatsapp_mcp.models import (
    EVERYTHING,
    Left,
    Message,
    MessageFilter,
    Page,
    ReadingKind,
    SearchHints,
    meant,
)

SearchMode = Literal["words", "any", "anybody", "substring"]
RELEVANCE_CANDIDATES: Final = 5_000
"""Relevance is judged among this many of the newest matches."""
_FEW: Final = 5
"""Hits that may each be shown with more around them."""
_SCAN_SECONDS: Final = 1.2
_SCAN_ROWS: Final = 200
LONG: Final = "More were found than a page holds: the messages are long."
_TRANSCRIPT: Final = READING_KINDS.index(ReadingKind.TRANSCRIPT)
_SCOPED: Final = ("m.chat_id = ?", "m.sender_id = ?", "m.chat_id IN", "m.sender_id IN")
"""Conditions that the scopes of the index stand for."""
_LOOKED_AT: Final = 50_000
"""Characters of a reading among which a part of a word is marked: they are folded one by one."""
_WAS_READ: Final = (
    "d.message_id IS NOT NULL AND EXISTS (SELECT 1 FROM readings WHERE message_id = d.message_id)"
)
_FROM: Final = """FROM messages AS m JOIN chats AS c ON c.id = m.chat_id
 LEFT JOIN media AS d ON d.message_id = m.id"""


def search(
    db: sqlite3.Connection,
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
    """Messages that match, each with a `snippet`; the hit stands between `**`.

    The query knows words, `"phrases"`, `prefix*`, `-exclusion`, `from:`, `in:`, `has:`, `is:`, `before:`,
    `until:` and `after:`. What cannot be read as syntax is searched as text; no query is an error.

    Args:
        order: By time, or by relevance among the newest matches: then only `Page.after` goes on.
        zone: In which zone the times of `before:`, `until:` and `after:` are meant.
        now: The moment from which ages and weekdays in the query count; else the clock's.
        mode: `any` takes one of the words, or what begins so, for all; `anybody` the same, whoever wrote,
            and nothing where no `from:` narrows it; `substring` also finds the inside of words, slower.

    Raises:
        InvalidArgument: The cursor is not one of this search, or the limit is not 1–500.
    """
    cursors.check_limit(limit)
    mark = cursors.fingerprint("search", query, replace(where, since=None, until=None), order, mode)
    last = cursors.decode_id(cursor, mark)
    parsed = parse(query, zone, now)
    if mode in {"any", "anybody"}:
        parsed.wanted = any_of(parsed.wanted)
        parsed.senders = [one for one in parsed.senders if one[1] or _senders(db, one[0])]
    if mode == "anybody":
        if not (parsed.wanted and parsed.senders):
            return Page(())
        parsed.senders = []
    clauses = _conditions(db, parsed, where, inside=mode == "substring")
    if clauses is None:
        return Page(())
    searcher = _Search(db, parsed, *clauses, limit, last, mark)
    if mode == "substring":
        page = searcher.substring()
    else:
        page = searcher.words(order) if parsed.wanted else searcher.without_words()
    if parsed.apart:
        note = f"OR joins words, has: and is:; {', '.join(parsed.apart)} narrows the whole search."
        return replace(page, notes=(*page.notes, note))
    return page


def search_hints(
    db: sqlite3.Connection,
    query: str,
    where: MessageFilter = EVERYTHING,
    *,
    zone: tzinfo = UTC,
    now: datetime | None = None,
) -> SearchHints:
    """Return hints for a search without results: the count for its operators alone, closest names."""
    parsed = parse(query, zone, now)
    names = [name for name, excluded in parsed.senders if not excluded and not _senders(db, name)]
    nobody = tuple((name, chat_queries.closest_contacts(db, name)) for name in names)
    count, bare = None, parse(parsed.without_words, zone, now)
    clauses = None if nobody or not (bare.has or bare.mixed or bare.senders) else _conditions(db, bare, where)
    if clauses is not None and (parsed.wanted or parsed.unwanted):
        conditions, values, _ = clauses
        counted = f"SELECT m.id {_FROM} WHERE {' AND '.join(conditions)} LIMIT {COUNTED + 1}"
        count = int(value(db, f"SELECT count(*) FROM ({counted})", values) or 0)  # noqa: S608
    left = None if count is None else Left(min(count, COUNTED), count > COUNTED)
    return SearchHints(left, nobody)


def _conditions(
    db: sqlite3.Connection, query: Query, where: MessageFilter, *, inside: bool = False
) -> tuple[list[str], list[Any], list[str]] | None:
    """The query's and the caller's filters as SQL, and the scopes for the index; None: nothing can match."""
    since = max((one for one in (query.since, where.since) if one), default=None)
    until = min((one for one in (query.until, where.until) if one), default=None)
    built = filter_conditions(db, replace(where, since=since, until=until))
    if built is None:
        return None
    conditions, values = built
    scopes: list[str] = []
    if where.chat is not None:
        scopes.append(_scope(db, "c", [chat_id(db, where.chat) or 0]))
    if where.sender is not None:
        scopes.append(_scope(db, "s", [contact_id(db, where.sender) or 0]))
    for numbered, letter, names in (("m.sender_id", "s", query.senders), ("m.chat_id", "c", query.chats)):
        for name, excluded in names:
            numbers = _senders(db, name) if letter == "s" else _chats(db, name)
            if not numbers:
                query.add_text(f"{'from' if letter == 's' else 'in'}:{name}", excluded)
                continue
            places = placeholders(numbers)
            conditions.append(f"{numbered} {'NOT ' if excluded else ''}IN ({places})")
            values += numbers
            if not excluded:
                scopes.append(_scope(db, letter, numbers))
    for what, excluded in query.has:
        alone = not (conditions or excluded or query.wanted)
        conditions.append(("NOT " if excluded else "") + f"({_has(what, alone=alone)})")
    for state, excluded in query.states:
        conditions.append(_state(state, excluded))
    for one in query.mixed:
        parts = [f"%{like(text)}%" for text in one.texts] if inside else []
        conditions.append(_any_holds(one, len(parts)))
        values += [f"body : {_any(one.terms)}", *parts] if one.terms else parts
    return conditions, values, scopes


def _any_holds(alternatives: Alternatives, texts: int) -> str:
    """Words and operators that an OR joins.

    Its values are the words for the index, if there are any, and patterns of as many texts.
    """
    parts = ["m.id IN (SELECT rowid FROM fts WHERE fts MATCH ?)"] if alternatives.terms else []
    parts += ["m.text LIKE ? ESCAPE '\\'"] * texts
    parts += [
        ("NOT " if excluded else "") + f"({_has(what, alone=False)})" for what, excluded in alternatives.has
    ]
    parts += [_state(state, excluded) for state, excluded in alternatives.states]
    return f"({' OR '.join(parts)})"


def _state(state: str, excluded: bool) -> str:
    return ("NOT " if excluded else "") + f"({IS[state]})"


def _has(what: str, *, alone: bool) -> str:
    if what == "media":
        return "d.message_id IS NOT NULL"
    if what == "transcript":
        return f"m.id IN (SELECT message_id FROM readings WHERE kind = {_TRANSCRIPT})"  # noqa: S608
    if what == "link":
        return f"m.flags & {int(Flag.LINK)} != 0"
    return of_kinds(HAS[what], alone=alone)


def _scope(db: sqlite3.Connection, letter: str, numbers: list[int]) -> str:
    """Scope tokens of chats or senders, also under the numbers they had before a merge."""
    table, present = ("chat_aliases", "chat_id") if letter == "c" else ("contact_aliases", "contact_id")
    places = placeholders(numbers)
    former = f"SELECT old_id FROM {table} WHERE {present} IN ({places})"  # noqa: S608
    every = [*numbers, *column(db, former, numbers)]
    return "scope : (" + " OR ".join(f'"{letter}{number}"' for number in every) + ")"


def _senders(db: sqlite3.Connection, name: str) -> list[int]:
    if fold(name) in ("me", "myself"):
        return [0]
    contacts = people.contacts(db, name).items
    if not contacts and "@" in name:
        number = contact_id(db, name)
        return [] if number is None else [number]
    best = [one for one in contacts if one.name and fold(name) in fold(one.name).split("\n")]
    return [number for one in best or contacts if (number := contact_id(db, one.jid)) is not None]


def _chats(db: sqlite3.Connection, name: str) -> list[int]:
    best = meant(people.resolve_chat(db, name))
    return [number for one in best if (number := chat_id(db, one.chat.jid)) is not None]


@dataclass(frozen=True, slots=True)
class _Search:
    """One search, as SQL.

    Attributes:
        conditions: What a message must meet beside the words, and `values` for them.
        scopes: Conditions of chats and senders in the language of the index.
        last: The last message of the page before; by relevance, how many are before this page.
        mark: The search that a cursor is of.
    """

    db: sqlite3.Connection
    query: Query
    conditions: list[str]
    values: list[Any]
    scopes: list[str]
    limit: int
    last: int | None
    mark: str

    def words(self, order: str) -> Page[Message]:
        """Find words by the index."""
        wanted = " AND ".join(_any(alternatives) for alternatives in self.query.wanted)
        match = " AND ".join([f"body : ({wanted})", *self.scopes])
        if self.query.unwanted:
            match = f"({match}) NOT body : {_any(self.query.unwanted)}"
        bounds, rest = ["fts MATCH ?"], list[str]()
        inner, outer = list[Any](), list[Any]()
        for condition, filled in with_values(self.conditions, self.values):
            if condition.startswith("m.id "):
                bounds.append(condition.replace("m.id", "fts.rowid"))
                inner += filled
            elif not condition.startswith(_SCOPED):
                rest.append(condition)
                outer += filled
        if self.last is not None and order == "newest":
            bounds.append("fts.rowid < ?")
            inner.append(self.last)
        join = ""
        if rest:
            join = """CROSS JOIN messages AS m ON m.id = fts.rowid JOIN chats AS c ON c.id = m.chat_id
            LEFT JOIN media AS d ON d.message_id = m.id"""
        matching = f"SELECT fts.rowid FROM fts {join} WHERE {' AND '.join([*bounds, *rest])}"  # noqa: S608
        arguments = [match, *inner, *outer]
        if order == "relevance":
            ids = self._by_relevance(matching, arguments)
            shown, before = self._load(ids), self.last or 0
            return Page(
                shown,
                notes=(LONG,) if len(shown) < len(ids) else (),
                after=lambda index: cursors.encode(self.mark, before + index + 1),
            )
        newest = f"{matching} ORDER BY fts.rowid DESC LIMIT ?"
        return self._page(column(self.db, newest, [*arguments, self.limit + 1]))

    def _by_relevance(self, matching: str, arguments: list[Any]) -> list[int]:
        oldest = f"{matching} ORDER BY fts.rowid DESC LIMIT 1 OFFSET ?"
        floor = column(self.db, oldest, [*arguments, RELEVANCE_CANDIDATES])
        best = f"{matching} AND fts.rowid > ? ORDER BY bm25(fts, 1.0, 0.0), fts.rowid DESC LIMIT ? OFFSET ?"
        return column(self.db, best, [*arguments, *(floor or [0]), self.limit, max(0, self.last or 0)])

    def without_words(self) -> Page[Message]:
        """Filters alone, or filters and words that must not occur."""
        if not self.conditions and not self.query.unwanted:
            return Page(())
        conditions, values = self._narrowed()
        if self.query.unwanted:
            conditions.append("m.id NOT IN (SELECT rowid FROM fts WHERE fts MATCH ?)")
            values.append(f"body : {_any(self.query.unwanted)}")
        sql = f"SELECT m.id {_FROM} WHERE {' AND '.join(conditions)} ORDER BY m.id DESC LIMIT ?"
        return self._page(column(self.db, sql, [*values, self.limit + 1]))

    def substring(self) -> Page[Message]:
        """Read the texts newest first until the page is full or the time is up; the cursor then goes on."""
        wanted = [
            parts for texts in self.query.texts if (parts := [part for text in texts if (part := fold(text))])
        ]
        if not wanted:
            return self.without_words()
        conditions, values = self._narrowed()
        for parts in wanted:
            # What is not ASCII is folded in Python alone, so those texts are read whatever they hold.
            if all(part.isascii() for part in parts):
                alike = "m.text LIKE ? ESCAPE '\\' OR " * len(parts)
                conditions.append(
                    f"({alike}m.text GLOB '*[^ -~]*' OR d.file_name IS NOT NULL OR {_WAS_READ})"
                )
                values += [f"%{like(part)}%" for part in parts]
        where = " AND ".join(conditions) or "1"
        columns = f"m.id, m.text, coalesce(d.file_name, ''), {_WAS_READ}"
        sql = f"SELECT {columns} {_FROM} WHERE {where} ORDER BY m.id DESC"
        with closing(self.db.execute(sql, values)) as reading:
            hits, stopped_at = _read(self.db, reading, wanted, self.limit)
        page = self._page(hits, [part for parts in wanted for part in parts])
        if stopped_at is None or page.next_cursor is not None:
            return page
        note = f"Searched back to {time_of(stopped_at):%Y-%m-%d}; go on with the cursor."
        return replace(page, next_cursor=cursors.encode(self.mark, stopped_at), notes=(note,))

    def _narrowed(self) -> tuple[list[str], list[Any]]:
        """The conditions and values of messages after the page before."""
        if self.last is None:
            return [*self.conditions], [*self.values]
        return [*self.conditions, "m.id < ?"], [*self.values, self.last]

    def _page(self, ids: list[int], substrings: Sequence[str] = ()) -> Page[Message]:
        """A page of the first of these, newest first; there is one more than the limit if there are more."""
        shown = self._load(ids[: self.limit], substrings)

        def after(index: int) -> str:
            return cursors.encode(self.mark, ids[index])

        more = shown and len(shown) < len(ids)
        return Page(shown, after(len(shown) - 1) if more else None, after=after)

    def _load(self, ids: list[int], substrings: Sequence[str] = ()) -> tuple[Message, ...]:
        """The messages with these ids, in this order, with snippets, as far as a page goes."""
        if not ids:
            return ()
        rows = message_rows.message_rows(self.db, f"WHERE m.id IN ({placeholders(ids)})", ids)
        rows_by_id = {row.id: row for row in rows}
        ordered, _ = message_rows.fitting((rows_by_id[message] for message in ids), len(ids))
        around = snippets.AROUND_FEW if len(ids) <= _FEW else snippets.AROUND
        marker = snippets.Marker(self.query.terms, around)
        cut = ((row.id, _snippet(self.db, row, marker, substrings, around)) for row in ordered)
        return message_rows.messages(
            self.db, ordered, {message: snippet for message, snippet in cut if snippet is not None}
        )


def _any(terms: Sequence[Term]) -> str:
    return "(" + " OR ".join(term.match() for term in terms) + ")"


def _read(
    db: sqlite3.Connection, reading: sqlite3.Cursor, wanted: list[list[str]], limit: int
) -> tuple[list[int], int | None]:
    """Messages that have any of each of the texts, and where reading stopped because the time was up.

    There is one more than the limit if there are so many.
    """
    end = time.monotonic() + _SCAN_SECONDS
    hits: list[int] = []
    while batch := reading.fetchmany(_SCAN_ROWS):
        for message, text, file_name, was_read in batch:
            plain = fold(f"{text}\n{file_name}" if file_name else text)
            is_hit = _has_all(plain, wanted)
            if not is_hit and was_read:
                # One by one: what was read in a file may be long.
                is_hit = _has_all(f"{plain}\n{fold(files.reading_text(db, message) or '')}", wanted)
            if is_hit:
                hits.append(message)
                if len(hits) > limit:
                    return hits, None
            if time.monotonic() > end:
                return hits, message
    return hits, None


def _has_all(plain: str, wanted: list[list[str]]) -> bool:
    return all(any(part in plain for part in parts) for parts in wanted)


def _snippet(
    db: sqlite3.Connection, row: MessageRow, marker: snippets.Marker, substrings: Sequence[str], around: int
) -> Snippet | None:
    options: list[str] = []
    if row.details and '"options"' in row.details:
        options = json.loads(row.details).get("options", [])
    places = Snippet(row.text, "text"), Snippet(row.file_name or "", "file_name")
    for text, of, _ in (*places, Snippet(", ".join(options), "options")):
        if (cut := _cut(text, marker, substrings, around)) is not None:
            return Snippet(cut.text, of)
    reading = files.reading_text(db, row.id) if row.media_type else None
    if not reading:
        return None
    # A hit further on is shown without the words around it.
    looked_at = reading[:_LOOKED_AT] if substrings else reading
    cut = _cut(looked_at.replace(BETWEEN, " "), marker, substrings, around)
    if cut is None:
        return Snippet("", "reading")
    return Snippet(cut.text, "reading", reading.count(BETWEEN, 0, cut.at) + 1)


def _cut(text: str, marker: snippets.Marker, substrings: Sequence[str], around: int) -> snippets.Cut | None:
    if not substrings:
        return marker.cut(text)
    cuts = (snippets.of_substring(text, one, around) for one in substrings)
    return next((cut for cut in cuts if cut is not None), None)
