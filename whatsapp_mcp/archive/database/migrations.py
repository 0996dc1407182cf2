"""How an older `archive.db` becomes a current one: tables of another shape are recreated and filled.

The statements are those of `tables.py`, which has each once; here stands only what a former version's rows
mean in the current tables. All of it is one transaction, so a process that is killed leaves the file as it
was. Version 7 stores add-ons, members and settings by address. Rows of before take the number under which
they came alone (`via`), else the person's present address; `docs/archive.md` says what that cannot know.
"""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Final

from whatsapp_mcp.archive.database import index, tables
from whatsapp_mcp.jid import reads_as_address

_MADE: Final = re.compile(
    r"^CREATE (?P<what>TABLE|VIEW|INDEX|UNIQUE INDEX) (?P<name>\w+)(?: ON (?P<table>\w+))?", re.MULTILINE
)

_BY_ADDRESS: Final = 7
"""The version that stores add-ons, members and settings by address."""
_KNOWN: Final = 9
"""The version that tells apart what the address book says from other names."""
_NUMBERED_ONCE: Final = 10
"""The version that never uses the number of a send or message again, and keeps keys of sends by principal."""
_IMPORTS_NUMBERED: Final = 11
"""The version that numbers imports, so that each can be undone."""
_FORMER_IMPORTS: Final = (("chat_export", "GLOB 'IMP-*'"), ("lharries", "NOT GLOB 'IMP-*'"))
"""What could be imported before, and the ids of its messages."""
_IMPORTED: Final = 512
"""`updates.Flag.IMPORTED`."""

logger = logging.getLogger(__name__)


def statements(script: str) -> Iterable[str]:
    """The statements of a script, one by one: `executescript` would commit the open transaction."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def current(what: str) -> dict[str, str]:
    """The statements that make the current tables, views or indexes, by name."""
    found: dict[str, str] = {}
    for statement in statements(tables.ARCHIVE):
        made = _MADE.search(statement)
        if made and made["what"].endswith(what):
            found[made["name"]] = statement
    return found


def upgrade(db: sqlite3.Connection, version: int) -> None:
    """Bring the file from an older version to the current one, inside the open transaction."""
    if version < _KNOWN:
        db.execute("ALTER TABLE contacts ADD COLUMN given_name TEXT")
        db.execute("ALTER TABLE contacts ADD COLUMN known INTEGER NOT NULL DEFAULT 0")
    if version < _BY_ADDRESS:
        _store_by_address(db, version)
    if version < _KNOWN:
        _saved_is_given(db)
    if version < _NUMBERED_ONCE:
        for table in ("outbox", "refs"):
            _number_once(db, table)
    for what in ("TABLE", "INDEX"):
        for name in current(what).keys() - _names(db, what.lower()):
            db.execute(current(what)[name])
    if version < _IMPORTS_NUMBERED:
        for source, ids in _FORMER_IMPORTS:
            _number_former_imports(db, source, f"flags & {_IMPORTED} AND wa_id {ids}")


def _number_former_imports(db: sqlite3.Connection, source: str, which: str) -> None:
    """All that was imported before of one kind is one import, which ended when the file was last written."""
    count = db.execute(f"SELECT count(*) FROM messages WHERE {which}").fetchone()[0]  # noqa: S608
    if not count:
        return
    (number,) = db.execute(
        """INSERT INTO imports (source, file, fingerprint, began_at, ended_at, state, report)
        SELECT ?, 'earlier imports', x'', at, at, 'done', json_object('new', ?) FROM
        (SELECT coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'operation_at'), 0) AS at)
        RETURNING id""",
        (source, count),
    ).fetchall()[0]
    db.execute(
        f"""INSERT INTO imported_refs SELECT ?, min(ref), max(ref) FROM
        (SELECT ref, ref - row_number() OVER (ORDER BY ref) AS range FROM messages WHERE {which})
        GROUP BY range""",  # noqa: S608
        (number,),
    )
    db.execute(
        f"""INSERT INTO imported_chats SELECT ?, (SELECT min(address_id) FROM chat_addresses AS v
            WHERE v.chat_id = m.chat_id), min(id) >> 20, max(id) >> 20, count(*)
        FROM messages AS m WHERE {which} GROUP BY chat_id""",  # noqa: S608
        (number,),
    )


def _store_by_address(db: sqlite3.Connection, version: int) -> None:
    """What version 7 changed, and those before it."""
    for name in _names(db, "view"):
        db.execute(f"DROP VIEW {name}")
    for name in _names(db, "index") - current("INDEX").keys():
        db.execute(f"DROP INDEX {name}")
    _people(db, version)
    former = _recreate(db)
    _lasting_addresses(db)
    for table, fill in _FILL.items():
        if table in former:
            logger.info("archive: upgrade: %s", table.replace("_", " "))
            db.execute(fill(db, table))
    _former_chats(db, version)
    for table in sorted(former):
        db.execute(f"DROP TABLE old_{table}")
    db.execute("DROP TABLE lasting")
    for statement in current("VIEW").values():
        db.execute(statement)
    if version < 2:
        db.execute("INSERT INTO fts (fts, rank) VALUES ('pgsz', 490)")
    if version < 6:
        logger.info("archive: upgrade: search index")
        index.refold_digits(db)


def _saved_is_given(db: sqlite3.Connection) -> None:
    """Version 9: what was saved may also be from a tool or from the phone's past, and makes nobody known.

    What is in the address book is so again after the next look at it.
    """
    db.execute("UPDATE contacts SET given_name = saved_name, saved_name = NULL")
    db.execute("UPDATE names SET kind = 3 WHERE kind = 0")
    db.create_function("reads_as_address", 1, reads_as_address, deterministic=True)
    for column in ("given_name", "business_name", "push_name"):
        db.execute(
            f"UPDATE contacts SET {column} = NULL WHERE {column} IS NOT NULL AND reads_as_address({column})"  # noqa: S608
        )


def _number_once(db: sqlite3.Connection, table: str) -> None:
    """Version 10: `AUTOINCREMENT` and another `UNIQUE`, which no table can be given later."""
    columns = ", ".join(_columns(db, table))
    db.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    db.execute(current("TABLE")[table])
    db.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM old_{table}")  # noqa: S608
    db.execute(f"DROP TABLE old_{table}")  # and its indexes, which are made again


def _names(db: sqlite3.Connection, kind: str) -> set[str]:
    rows = db.execute("SELECT name FROM sqlite_master WHERE type = ? AND sql IS NOT NULL", (kind,))
    return {row[0] for row in rows}


def _columns(db: sqlite3.Connection, table: str) -> dict[str, tuple[object, ...]]:
    """Type, NOT NULL, default and place in the key of each column."""
    return {row[1]: row[2:] for row in db.execute(f"PRAGMA table_info({table})").fetchall()}


def _people(db: sqlite3.Connection, version: int) -> None:
    """What is renamed, and what version 1 kept of people in other places."""
    if version > 1:
        db.execute("ALTER TABLE holders RENAME TO number_history")
        db.execute("ALTER TABLE addresses RENAME COLUMN moved TO reassigned")
        db.execute("ALTER TABLE chat_words RENAME TO chat_settings")
        return
    made = current("TABLE")
    for table in ("number_history", "names"):
        db.execute(made[table])
    db.execute(
        """INSERT INTO number_history SELECT pn, lid, 0 FROM contacts
        WHERE pn IS NOT NULL AND lid IS NOT NULL"""
    )
    for kind, name, at in ((0, "saved_name", "0"), (1, "business_name", "0"), (2, "push_name", "c.push_at")):
        db.execute(
            f"""INSERT INTO names SELECT max(a.jid), {kind}, c.{name}, {at} FROM contacts AS c
            JOIN addresses AS a ON a.contact_id = c.id WHERE c.{name} IS NOT NULL GROUP BY c.id"""  # noqa: S608
        )
    db.execute("ALTER TABLE contacts DROP COLUMN push_at")


def _recreate(db: sqlite3.Connection) -> set[str]:
    """Give every table its current shape; those that cannot be altered are `old_…` and empty ones now."""
    former: set[str] = set()
    there = _names(db, "table")
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(tables.ARCHIVE)
        for table, statement in current("TABLE").items():
            if table not in there:
                db.execute(statement)
                continue
            wanted, found = _columns(fresh, table), _columns(db, table)
            if wanted == found:
                continue
            if table == "outbox":  # version 10 recreates it
                continue
            if table == "messages":  # large: it only ever got columns
                for column in [one for one in wanted if one not in found]:
                    db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {wanted[column][0]}")
                continue
            if table == "chats":  # its obsolete columns go once they were read
                continue
            db.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
            for name, sql in current("INDEX").items():
                if f" ON {table} " in sql:
                    db.execute(f"DROP INDEX IF EXISTS {name}")
            db.execute(statement)
            former.add(table)
    return former


def _lasting_addresses(db: sqlite3.Connection) -> None:
    """For each contact and chat the address that is the least likely to become somebody else's."""
    known = "old_addresses" if "old_addresses" in _names(db, "table") else None
    if known:
        db.execute(f"INSERT INTO addresses (jid, contact_id) SELECT jid, contact_id FROM {known}")  # noqa: S608
    db.execute(
        "INSERT OR IGNORE INTO addresses (jid, contact_id) SELECT jid, -1 FROM chats WHERE contact_id IS NULL"
    )
    db.execute("CREATE TEMP TABLE lasting (contact_id INTEGER PRIMARY KEY, id INTEGER NOT NULL)")
    db.execute(
        """INSERT INTO lasting SELECT contact_id, coalesce(max(id) FILTER (WHERE jid LIKE '%@lid'), min(id))
        FROM addresses WHERE contact_id >= 0 GROUP BY contact_id"""
    )


def _addon(
    person: str | None, columns: tuple[str, ...] = (), wa_id: str = "wa_id", where: str = "1"
) -> Callable[[sqlite3.Connection, str], str]:
    """How a table of add-ons is filled: each row under the address in `via`, else the present one.

    Args:
        person: The former column of who did it.
        columns: What stands in the further columns.
        wa_id: The former column of the message's id.
        where: Which rows.
    """

    def fill(db: sqlite3.Connection, table: str) -> str:
        via = "t.via" if "via" in _columns(db, f"old_{table}") else "NULL"
        chat = sender = f"iif(c.contact_id IS NULL, g.id, coalesce({via}, l.id))"
        if person is not None:
            sender = f"""CASE t.{person} WHEN 0 THEN 0 WHEN -1 THEN g.id WHEN c.contact_id THEN {chat}
                ELSE coalesce({via}, p.id) END"""
        return f"""INSERT OR IGNORE INTO {table}
            SELECT {", ".join((f"t.{wa_id}", chat, sender, "t.at", *columns))}
            FROM old_{table} AS t JOIN chats AS c ON c.id = t.chat_id
            LEFT JOIN addresses AS g ON g.jid = c.jid
            LEFT JOIN lasting AS l ON l.contact_id = c.contact_id
            LEFT JOIN lasting AS p ON p.contact_id = t.{person or "chat_id"} WHERE {where}"""  # noqa: S608

    return fill


def _members(db: sqlite3.Connection, table: str) -> str:
    columns = _columns(db, f"old_{table}")
    via, at = "t.via" if "via" in columns else "NULL", "t.at" if "at" in columns else "0"
    return f"""INSERT OR IGNORE INTO members SELECT t.chat_id, coalesce({via}, p.id), {at}, ifnull(t.role, -1)
        FROM old_members AS t LEFT JOIN lasting AS p ON p.contact_id = t.contact_id"""  # noqa: S608


def _settings(db: sqlite3.Connection, table: str) -> str:
    via = "nullif(t.via, 0)" if "via" in _columns(db, f"old_{table}") else "NULL"
    return f"""INSERT OR IGNORE INTO chat_settings
        SELECT iif(c.contact_id IS NULL, g.id, coalesce({via}, l.id)), t.field, t.at, t.value
        FROM old_chat_settings AS t JOIN chats AS c ON c.id = t.chat_id
        LEFT JOIN addresses AS g ON g.jid = c.jid LEFT JOIN lasting AS l ON l.contact_id = c.contact_id
        WHERE t.field != 'topic'"""  # noqa: S608


def _early_receipts(db: sqlite3.Connection, table: str) -> str:
    by_address = "address_id" in _columns(db, f"old_{table}")
    reader = "t.address_id" if by_address else "iif(t.contact_id <= 0, t.contact_id, p.id)"
    kind = "t.kind" if by_address else "iif(t.contact_id = 0, 0, t.kind)"
    chat = f"iif(c.contact_id IS NULL, g.id, {'t.address_id' if by_address else 'l.id'})"
    return f"""INSERT OR IGNORE INTO early_receipts
        SELECT t.wa_id, {chat}, iif(c.contact_id IS NULL, {reader}, {chat}), t.at, {kind}
        FROM old_early_receipts AS t JOIN chats AS c ON c.id = t.chat_id
        LEFT JOIN addresses AS g ON g.jid = c.jid LEFT JOIN lasting AS l ON l.contact_id = c.contact_id
        LEFT JOIN lasting AS p ON p.contact_id = {"NULL" if by_address else "t.contact_id"}"""  # noqa: S608


def _read_marks(_: sqlite3.Connection, __: str) -> str:
    """Versions before 5 kept watermarks by person, and not what the owner read: `_former_chats` adds that."""
    return """INSERT OR IGNORE INTO read_marks
        SELECT iif(c.contact_id IS NULL OR r.contact_id <= 0, r.chat_id, 0),
            iif(r.contact_id <= 0, r.contact_id, p.id), r.kind, r.up_to, r.at
        FROM old_read_marks AS r JOIN chats AS c ON c.id = r.chat_id
        LEFT JOIN lasting AS p ON p.contact_id = r.contact_id
        WHERE r.contact_id <= 0 OR c.contact_id IS NULL OR c.contact_id = r.contact_id"""


_FILL: Final[dict[str, Callable[[sqlite3.Connection, str], str]]] = {
    "reactions": _addon("sender_id", ("t.emoji",)),
    "edits": _addon("sender_id", ("t.text",), where="t.at > 0"),
    "revokes": _addon("sender_id"),
    "votes": _addon("voter_id", ("ifnull(t.payload, x'')", "t.iv", "t.voter_jid", "t.options")),
    "sealed": _addon("sender_id", ("t.wa_id", "t.name", "t.sender_jid", "t.payload", "t.iv"), wa_id="target"),
    "calls": _addon(None, ("t.step", "t.reason")),
    "early_receipts": _early_receipts,
    "members": _members,
    "chat_settings": _settings,
    "read_marks": _read_marks,
}
"""How each recreated table is filled; `t` is a row of the former one."""


def _former_chats(db: sqlite3.Connection, version: int) -> None:
    """What stood in columns of chats, and the first texts of edited messages, which stood among the edits."""
    db.execute(
        """UPDATE messages AS m SET original = e.text FROM old_edits AS e
        WHERE e.at = 0 AND (m.chat_id, m.wa_id, m.sender_id) = (e.chat_id, e.wa_id, e.sender_id)"""
    )
    address = "(SELECT address_id FROM place WHERE chat_id = c.id)"
    db.execute(
        """CREATE TEMP TABLE place AS SELECT c.id AS chat_id, ifnull(l.id, g.id) AS address_id FROM chats AS c
        LEFT JOIN lasting AS l ON l.contact_id = c.contact_id
        LEFT JOIN addresses AS g ON g.jid = c.jid"""
    )
    if version < 2:
        db.execute(
            f"""INSERT OR IGNORE INTO chat_settings SELECT {address}, 'name', name_at, name FROM chats AS c
            WHERE name IS NOT NULL"""  # noqa: S608
        )
        db.execute("ALTER TABLE chats DROP COLUMN name_at")
    if version < 4:
        db.execute("ALTER TABLE chats DROP COLUMN topic")
    if version < 5:
        db.execute(
            f"""INSERT OR IGNORE INTO chat_settings SELECT {address}, 'complete', 0, 1 FROM chats AS c
            WHERE complete"""  # noqa: S608
        )
        db.execute(
            f"""INSERT OR IGNORE INTO read_marks SELECT iif(c.contact_id IS NULL, c.id, 0),
            iif(c.contact_id IS NULL, 0, {address}), 0, c.read_id, ifnull((SELECT max(at) FROM chat_settings
                WHERE (address_id, field, value) = ({address}, 'marked_unread', 0)), 0) FROM chats AS c"""  # noqa: S608
        )
        db.execute("DELETE FROM chat_settings WHERE field = 'marked_unread' AND NOT value")
    db.execute("DROP TABLE place")
