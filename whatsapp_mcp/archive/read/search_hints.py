"""What may help where a search found nothing: what it finds without its words, and the closest names."""

from __future__ import annotations

import json
import re
import sqlite3
from datetime import UTC, datetime, tzinfo
from typing import Final

from whatsapp_mcp import decoding
from whatsapp_mcp.archive.database import fold, value
from whatsapp_mcp.archive.read import chat_rows, people
from whatsapp_mcp.archive.read.full_text import FROM, conditions_of, senders_called
from whatsapp_mcp.archive.read.message_queries import COUNTED
from whatsapp_mcp.archive.read.search_query import parse
from whatsapp_mcp.models import EVERYTHING, Contact, Left, MessageFilter, SearchHints

_CLOSEST: Final = 3
"""People who are named instead of one whom nobody is called."""
_TELLING: Final = 3
"""Letters of a word by which somebody is recognised."""
_HALF: Final = 0.5
_BEGINS: Final = 0.1
_WORDS: Final = re.compile(r"\w+")


def search_hints(
    db: sqlite3.Connection,
    query: str,
    where: MessageFilter = EVERYTHING,
    *,
    zone: tzinfo = UTC,
    now: datetime | None = None,
) -> SearchHints:
    """What may be told of a search that found nothing: what its operators find alone, and closest names."""
    parsed = parse(query, zone, now)
    names = [name for name, excluded in parsed.senders if not excluded and not senders_called(db, name)]
    nobody = tuple((name, _closest_contacts(db, name)) for name in names)
    operators, count = parsed.without_words, None
    bare = parse(operators, zone, now)
    found = None if nobody or not (bare.has or bare.mixed or bare.senders) else conditions_of(db, bare, where)
    if found is not None and (parsed.wanted or parsed.unwanted):
        conditions, values, _ = found
        counted = f"SELECT m.id {FROM} WHERE {' AND '.join(conditions)} LIMIT {COUNTED + 1}"
        count = int(value(db, f"SELECT count(*) FROM ({counted})", values) or 0)  # noqa: S608
    left = None if count is None else Left(min(count, COUNTED), count > COUNTED)
    return SearchHints(operators if left else "", left, nobody)


def _closest_contacts(db: sqlite3.Connection, name: str) -> tuple[Contact, ...]:
    """People with a name, or a word of one, of which half the letters are those of a name that nobody has."""
    wanted = " ".join(fold(name).split())[: decoding.MAX_NAME]
    words = [wanted, *(word for word in _WORDS.findall(wanted) if len(word) >= _TELLING)]
    found: list[tuple[float, int]] = []
    for table, number, _, names in db.execute(people.EVERYBODY.format("1")).fetchall():
        if table == 0:
            others = {*names.split("\n"), *names.split()} - {""}
            near = min((_apart(word, other) for word in words for other in others), default=1.0)
            found += [(near, number)] if near <= _HALF else []
    numbers = [number for _, number in sorted(found)[:_CLOSEST]]
    these = "WHERE s.id IN (SELECT value FROM json_each(?))"
    rows = {row.id: row.contact for row in chat_rows.contact_rows(db, these, (json.dumps(numbers),))}
    return tuple(rows[number] for number in numbers)


def _apart(wanted: str, name: str) -> float:
    """Which part of the letters of one name makes it the other; little where one begins the other."""
    if name.startswith(wanted) or (len(name) >= _TELLING and wanted.startswith(name)):
        return _BEGINS
    most = len(wanted) * _HALF
    if abs(len(wanted) - len(name)) > most or len(set(wanted) - set(name)) > most:
        return 1.0
    return people.distance(wanted, name) / max(1, len(wanted))
