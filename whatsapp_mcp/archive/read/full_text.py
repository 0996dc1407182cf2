"""Search: by words in the index, newest first or by relevance; or inside of words, by reading the texts."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, Literal

from whatsapp_mcp.archive.database import fold
from whatsapp_mcp.archive.read import cursors, people, queries, rows, snippets
from whatsapp_mcp.archive.read.search_query import HAS, IS, Query, Term, any_of, parse
from whatsapp_mcp.decoding import Flag
from whatsapp_mcp.models import EVERYTHING, Message, MessageFilter, Page, meant

RELEVANCE_CANDIDATES: Final = 5_000
"""Relevance is judged among this many of the newest matches."""
_FEW: Final = 5
"""Hits that may each be shown with more around them."""
_SCAN_SECONDS: Final = 1.2
_SCAN_ROWS: Final = 200
_LONG: Final = "More were found than a page holds: the messages are long."
_SCOPED: Final = ("m.chat_id = ?", "m.sender_id = ?", "m.chat_id IN", "m.sender_id IN")
"""Conditions that the scopes of the index stand for."""
_FROM: Final = """FROM messages AS m JOIN chats AS c ON c.id = m.chat_id
 LEFT JOIN media AS d ON d.message_id = m.id"""


def search(
    db: sqlite3.Connection,
    query: str,
    where: MessageFilter = EVERYTHING,
    *,
    order: Literal["newest", "relevance"] = "newest",
    mode: Literal["words", "any", "substring"] = "words",
    zone: tzinfo = UTC,
    now: datetime | None = None,
    limit: int = 20,
    cursor: str | None = None,
) -> Page[Message]:
    """Messages that match, each with a `snippet`; the hit stands between `**`.

    The query knows words, `"phrases"`, `prefix*`, `-exclusion`, `from:`, `in:`, `has:`, `is:`, `before:`,
    `until:` and `after:`. What cannot be read as syntax is searched as text; no query is an error.

    Args:
        order: By time, or by relevance among the newest matches (no cursor then).
        zone: In which zone the times of `before:`, `until:` and `after:` are meant.
        now: The moment from which ages and weekdays in the query count; else the clock's.
        mode: `any` takes one of the words, or what begins so, for all; `substring` also finds the inside
            of words, slower.

    Raises:
        InvalidArgument: The cursor is not one of this search, or the limit is not 1–500.
    """
    cursors.check_limit(limit)
    mark = cursors.fingerprint("search", query, replace(where, since=None, until=None), order, mode)
    last = cursors.decode_id(cursor, mark)
    parsed = parse(query, zone, now)
    if mode == "any":
        parsed.wanted = any_of(parsed.wanted)
    built = _conditions(db, parsed, where)
    if built is None:
        return Page(())
    conditions, values, scope = built
    if mode == "substring":
        page = _substring(db, parsed, conditions, values, limit, last, mark)
    elif not parsed.wanted:
        page = _without_words(db, parsed, conditions, values, limit, last, mark)
    else:
        page = _words(db, parsed, conditions, values, scope, order, limit, last, mark)
    if parsed.apart:
        told = f"OR joins words only: {', '.join(parsed.apart)} narrows the whole search."
        return replace(page, notes=(*page.notes, told))
    return page


def _conditions(
    db: sqlite3.Connection, query: Query, where: MessageFilter
) -> tuple[list[str], list[Any], list[str]] | None:
    """The query's and the caller's filters as SQL, and the scopes for the index; None: nothing can match."""
    since = max((one for one in (query.since, where.since) if one), default=None)
    until = min((one for one in (query.until, where.until) if one), default=None)
    built = queries.conditions(db, replace(where, since=since, until=until))
    if built is None:
        return None
    conditions, values = built
    scopes: list[str] = []
    if where.chat is not None:
        scopes.append(_scope(db, "c", [queries.chat_id(db, where.chat) or 0]))
    if where.sender is not None:
        scopes.append(_scope(db, "s", [queries.contact_id(db, where.sender) or 0]))
    for column, letter, names in (("m.sender_id", "s", query.senders), ("m.chat_id", "c", query.places)):
        for name, excluded in names:
            numbers = _senders(db, name) if letter == "s" else _chats(db, name)
            if not numbers:
                query.add_text(f"{'from' if letter == 's' else 'in'}:{name}", excluded)
                continue
            places = ", ".join("?" * len(numbers))
            conditions.append(f"{column} {'NOT ' if excluded else ''}IN ({places})")
            values += numbers
            if not excluded:
                scopes.append(_scope(db, letter, numbers))
    for what, excluded in query.has:
        alone = not (conditions or excluded or query.wanted)
        conditions.append(("NOT " if excluded else "") + f"({_has(what, alone=alone)})")
    for state, excluded in query.states:
        conditions.append(("NOT " if excluded else "") + f"({IS[state]})")
    return conditions, values, scopes


def _has(what: str, *, alone: bool) -> str:
    if what == "media":
        return "d.message_id IS NOT NULL"
    if what == "link":
        return f"m.flags & {int(Flag.LINK)} != 0"
    return queries.of_kinds(HAS[what], alone=alone)


def _scope(db: sqlite3.Connection, letter: str, numbers: list[int]) -> str:
    """Scope tokens of chats or senders, also under the numbers they had before a merge."""
    table, column = ("chat_aliases", "chat_id") if letter == "c" else ("contact_aliases", "contact_id")
    places = ", ".join("?" * len(numbers))
    old = db.execute(f"SELECT old_id FROM {table} WHERE {column} IN ({places})", numbers).fetchall()  # noqa: S608
    every = [*numbers, *(row[0] for row in old)]
    return "scope : (" + " OR ".join(f'"{letter}{number}"' for number in every) + ")"


def _senders(db: sqlite3.Connection, name: str) -> list[int]:
    if fold(name) in ("me", "myself"):
        return [0]
    found = people.contacts(db, name).items
    if not found and "@" in name:
        number = queries.contact_id(db, name)
        return [] if number is None else [number]
    best = [one for one in found if one.name and fold(name) in fold(one.name).split("\n")]
    return [number for one in best or found if (number := queries.contact_id(db, one.jid)) is not None]


def _chats(db: sqlite3.Connection, name: str) -> list[int]:
    best = meant(people.resolve_chat(db, name))
    return [number for one in best if (number := queries.chat_id(db, one.chat.jid)) is not None]


def _words(
    db: sqlite3.Connection,
    query: Query,
    conditions: list[str],
    values: list[Any],
    scopes: list[str],
    order: str,
    limit: int,
    last: int | None,
    mark: str,
) -> Page[Message]:
    wanted = " AND ".join(_any(alternatives) for alternatives in query.wanted)
    match = " AND ".join([f"body : ({wanted})", *scopes])
    if query.unwanted:
        match = f"({match}) NOT body : {_any(query.unwanted)}"
    bounds, rest = ["fts MATCH ?"], list[str]()
    inner, outer = list[Any](), list[Any]()
    for condition, filled in queries.with_values(conditions, values):
        if condition.startswith("m.id "):
            bounds.append(condition.replace("m.id", "fts.rowid"))
            inner += filled
        elif not condition.startswith(_SCOPED):
            rest.append(condition)
            outer += filled
    if last is not None:
        bounds.append("fts.rowid < ?")
        inner.append(last)
    join = ""
    if rest:
        join = """CROSS JOIN messages AS m ON m.id = fts.rowid JOIN chats AS c ON c.id = m.chat_id
        LEFT JOIN media AS d ON d.message_id = m.id"""
    where = " AND ".join([*bounds, *rest])
    arguments = [match, *inner, *outer]
    if order == "relevance":
        ids = _by_relevance(db, join, where, arguments, limit)
        shown = _load(db, ids, query)
        return Page(shown, notes=(_LONG,) if len(shown) < len(ids) else ())
    found = db.execute(
        f"SELECT fts.rowid FROM fts {join} WHERE {where} ORDER BY fts.rowid DESC LIMIT ?",  # noqa: S608
        [*arguments, limit + 1],
    ).fetchall()
    return _page(db, [row[0] for row in found], query, limit, mark)


def _any(terms: Sequence[Term]) -> str:
    return "(" + " OR ".join(term.match() for term in terms) + ")"


def _by_relevance(
    db: sqlite3.Connection, join: str, where: str, arguments: list[Any], limit: int
) -> list[int]:
    floor = db.execute(
        f"SELECT fts.rowid FROM fts {join} WHERE {where} ORDER BY fts.rowid DESC LIMIT 1 OFFSET ?",  # noqa: S608
        [*arguments, RELEVANCE_CANDIDATES],
    ).fetchone()
    found = db.execute(
        f"""SELECT fts.rowid FROM fts {join} WHERE {where} AND fts.rowid > ?
        ORDER BY bm25(fts, 1.0, 0.0), fts.rowid DESC LIMIT ?""",  # noqa: S608
        [*arguments, floor[0] if floor else 0, limit],
    ).fetchall()
    return [row[0] for row in found]


def _without_words(
    db: sqlite3.Connection,
    query: Query,
    conditions: list[str],
    values: list[Any],
    limit: int,
    last: int | None,
    mark: str,
) -> Page[Message]:
    """Filters alone, or filters and words that must not occur."""
    conditions, values = [*conditions], [*values]
    if query.unwanted:
        conditions.append("m.id NOT IN (SELECT rowid FROM fts WHERE fts MATCH ?)")
        values.append(f"body : {_any(query.unwanted)}")
    elif not conditions:
        return Page(())
    if last is not None:
        conditions.append("m.id < ?")
        values.append(last)
    found = db.execute(
        f"SELECT m.id {_FROM} WHERE {' AND '.join(conditions)} ORDER BY m.id DESC LIMIT ?",
        [*values, limit + 1],
    ).fetchall()
    return _page(db, [row[0] for row in found], query, limit, mark)


def _substring(
    db: sqlite3.Connection,
    query: Query,
    conditions: list[str],
    values: list[Any],
    limit: int,
    last: int | None,
    mark: str,
) -> Page[Message]:
    """Read the texts newest first until the page is full or the time is up; the cursor then goes on."""
    wanted = [parts for texts in query.texts if (parts := [part for text in texts if (part := fold(text))])]
    if not wanted:
        return _without_words(db, query, conditions, values, limit, last, mark)
    conditions, values = [*conditions], [*values]
    for parts in wanted:
        if all(part.isascii() for part in parts):
            like = "m.text LIKE ? ESCAPE '\\' OR " * len(parts)
            conditions.append(f"({like}m.text GLOB '*[^ -~]*' OR d.file_name IS NOT NULL)")
            values += [f"%{queries.like(part)}%" for part in parts]
    if last is not None:
        conditions.append("m.id < ?")
        values.append(last)
    where = " AND ".join(conditions) or "1"
    reading = db.execute(
        f"SELECT m.id, m.text, coalesce(d.file_name, '') {_FROM} WHERE {where} ORDER BY m.id DESC", values
    )
    with closing(reading):
        hits, stopped_at = _read(reading, wanted, limit)
    page = _page(db, hits, query, limit, mark, [part for parts in wanted for part in parts])
    if stopped_at is None or page.next_cursor is not None:
        return page
    note = f"Searched back to {rows.time_of(stopped_at):%Y-%m-%d}; go on with the cursor."
    return replace(page, next_cursor=cursors.encode(mark, stopped_at), notes=(note,))


def _read(reading: sqlite3.Cursor, wanted: list[list[str]], limit: int) -> tuple[list[int], int | None]:
    """Messages that have any of each of the texts, and where reading stopped because the time was up.

    There is one more than the limit if there are so many.
    """
    end = time.monotonic() + _SCAN_SECONDS
    hits: list[int] = []
    while batch := reading.fetchmany(_SCAN_ROWS):
        for message, text, file_name in batch:
            plain = fold(f"{text}\n{file_name}" if file_name else text)
            if all(any(part in plain for part in parts) for parts in wanted):
                hits.append(message)
                if len(hits) > limit:
                    return hits, None
            if time.monotonic() > end:
                return hits, message
    return hits, None


def _page(
    db: sqlite3.Connection,
    ids: list[int],
    query: Query,
    limit: int,
    mark: str,
    substrings: Sequence[str] = (),
) -> Page[Message]:
    """A page of the first of these, newest first; there is one more than the limit if there are more."""
    shown = _load(db, ids[:limit], query, substrings)
    following = cursors.encode(mark, ids[len(shown) - 1]) if shown and len(shown) < len(ids) else None
    return Page(shown, following)


def _load(
    db: sqlite3.Connection, ids: list[int], query: Query, substrings: Sequence[str] = ()
) -> tuple[Message, ...]:
    """The messages with these ids, in this order, with snippets, as far as a page goes."""
    if not ids:
        return ()
    places = ", ".join("?" * len(ids))
    found = {
        row[0]: row for row in db.execute(f"{rows.MESSAGE_SELECT} WHERE m.id IN ({places})", ids).fetchall()
    }
    ordered, _ = rows.fitting((found[message] for message in ids), len(ids))
    around = snippets.AROUND_FEW if len(ids) <= _FEW else snippets.AROUND
    marker = snippets.Marker(query.terms, around)
    cut: dict[int, rows.Snippet] = {}
    for row in ordered:
        snippet = _snippet(row, marker, substrings, around)
        if snippet is not None:
            cut[row[0]] = snippet
    return rows.messages(db, ordered, cut)


def _snippet(
    row: Any, marker: snippets.Marker, substrings: Sequence[str], around: int
) -> rows.Snippet | None:
    details = json.loads(row[11]) if row[11] and '"options"' in row[11] else {}
    places = rows.Snippet(row[7], "text"), rows.Snippet(row[17] or "", "file_name")
    for text, of in (*places, rows.Snippet(", ".join(details.get("options", ())), "options")):
        if substrings:
            cuts = (snippets.of_substring(text, one, around) for one in substrings)
            found = next((cut for cut in cuts if cut), None)
        else:
            found = marker.cut(text)
        if found is not None:
            return rows.Snippet(found, of)
    return None
