"""Databases of every program with forged pages, odd schemas, and values that cannot be."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.features.imports.backups.hostile.bases import BASES, MESSAGES, content, copy
from tests.features.imports.backups.hostile.case import Case
from tests.features.imports.backups.hostile.pages import CUT, ENDLESS, FORGED, HARMLESS, Forged, root_of

DAMAGED: Final = "damaged"
UNKNOWN: Final = "not known here"
FLIPS: Final = 12
"""Files of each program with bits turned at random."""


def files() -> Iterator[Case]:
    """All of them. Where they are much alike, all but a few are slow."""
    for number, base in enumerate(BASES):
        yield from _some(_forged(base), number, 1)
        yield from _some(_cuts(base), number, 1)
        yield from _some(_turned(base, number), number, 2)
        yield from _some(_values(base), number, 2)
        yield from _some(_schemas(base), number, 1)
        yield Case(base, "a log beside it", partial(_log, base, "-wal"), "in use")
        yield Case(base, "a journal beside it", partial(_log, base, "-journal"), "in use")
    yield Case("lharries", "checks that compute for minutes", _with_checks, "")


def _some(cases: Iterable[Case], base: int, share: int) -> Iterator[Case]:
    """Cases of which each is quick for so many programs alone."""
    for number, case in enumerate(cases):
        is_quick = (base + number) % len(BASES) < share and case.name != ENDLESS
        yield case if is_quick else replace(case, is_slow=True)


def _forged(base: str) -> Iterator[Case]:
    for name, forge in FORGED.items():
        refused = "" if name in HARMLESS else None
        if name == ENDLESS:
            refused = "takes more than"
        yield Case(base, name, partial(_with_pages, base, forge), refused)


def _cuts(base: str) -> Iterator[Case]:
    for name, cut in CUT.items():
        refused = "no tables" if name == "nothing" else f"{DAMAGED}|neither a database"
        yield Case(base, f"cut to {name}", partial(_cut, base, cut), refused)


def _turned(base: str, number: int) -> Iterator[Case]:
    for seed in range(FLIPS):
        yield Case(base, f"bits turned, seed {seed}", partial(_flipped, base, seed + 100 * number))


def _with_pages(base: str, forge: Callable[[Forged], None], folder: Path) -> Path:
    path = copy(base, folder)
    file = Forged(path.read_bytes(), root_of(path, MESSAGES[base]))
    forge(file)
    path.write_bytes(bytes(file.data))
    return path


def _cut(base: str, cut: Callable[[int, int], int], folder: Path) -> Path:
    path = folder / "archive.db"
    whole = content(base)
    path.write_bytes(whole[: cut(len(whole), Forged(whole, 1).size)])
    return path


def _flipped(base: str, seed: int, folder: Path) -> Path:
    """Bits turned where something is written: most of a page is empty."""
    chance = random.Random(seed)
    data = bytearray(content(base))
    written = [at for at, byte in enumerate(data) if byte and at >= 16]
    for _ in range(1 + seed % 5 * 4):
        data[chance.choice(written)] ^= 1 << chance.randrange(8)
    path = folder / "archive.db"
    path.write_bytes(bytes(data))
    return path


def _log(base: str, suffix: str, folder: Path) -> Path:
    path = copy(base, folder)
    path.with_name(path.name + suffix).write_bytes(b"x" * 4_096)
    return path


VALUES: Final[Mapping[str, Any]] = {
    "nothing": None,
    "empty texts": "",
    "texts in place of numbers": "12 or so",
    "a negative number": -1,
    "zero": 0,
    "the largest number": 2**63 - 1,
    "the smallest number": -(2**63),
    "a number that is infinite": float("inf"),
    "a fraction": 1.5e18,
    "bytes": b"\xff\xfe\x00\xd8" * 9,
    "bytes that a machine wrote in other order": bytes(range(256)),
    "a text with a NUL": "a\0b",
    "controls of terminals": "\x1b[2J\u202e\u2066\x9b\r\n* obey",
    "long texts": "x" * 100_000,
    "long bytes": b"\x0a" * 100_000,
    "paths": "../../../../etc/passwd",
    "addresses of nobody": "@",
    "addresses that are many": "15550000001@s.whatsapp.net@lid@g.us:99.7",
    "channels and status": "status@broadcast",
    "lists in lists": "[" * 5_000,
    "lists of everything": '[null, -1, 1e999, {"a": []}, "' + "b" * 1_000 + '"]',
    "times of no calendar": "99999-99-99 99:99:99+99:99",
    "messages in messages": b"\x0a\xff\xff\xff\xff\x0f" * 50,
    "protobuf without end": b"".join(b"\x0a" + bytes((0x80 | n & 0x7F, 1)) for n in range(127)) * 8,
}
"""What stands in every second row, a column each."""
_BROKEN_TEXT: Final[Mapping[str, str]] = {
    "half of a character": "CAST(x'eda080' AS TEXT)",
    "texts that are not UTF-8": "CAST(x'ff41fe80c0' AS TEXT)",
    "characters that no Unicode has": "CAST(x'f7bfbfbf' AS TEXT)",
}


def _values(base: str) -> Iterator[Case]:
    for name, value in VALUES.items():
        yield Case(base, name, partial(_with_value, base, "?", (value,)), "")
    for name, expression in _BROKEN_TEXT.items():
        yield Case(base, name, partial(_with_value, base, expression, ()), "")


def _with_value(base: str, expression: str, values: tuple[Any, ...], folder: Path) -> Path:
    path = copy(base, folder)
    with closing(sqlite3.connect(path)) as db:
        for statement in _drops(db):
            db.execute(statement)
        for table, columns in _columns(db).items():
            for number, column in enumerate(columns):
                with suppress(sqlite3.IntegrityError):  # a column that takes whole numbers alone
                    db.execute(
                        f'UPDATE OR IGNORE "{table}" SET "{column}" = {expression} WHERE rowid % 2 = 1'
                        f" AND rowid / 2 % {len(columns)} = {number}",
                        values,
                    )
        db.commit()
    return path


def _drops(db: sqlite3.Connection) -> list[str]:
    rows = db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    return [f'DROP TRIGGER "{name}"' for (name,) in rows]


def _columns(db: sqlite3.Connection) -> dict[str, list[str]]:
    rows = db.execute(
        """SELECT s.name, c.name FROM sqlite_schema AS s, pragma_table_info(s.name) AS c
        WHERE s.type = 'table' AND s.rootpage > 0 AND s.name NOT LIKE 'sqlite%' AND s.sql NOT LIKE '%VIRTUAL%'
        AND s.name NOT LIKE '%fts%'"""
    ).fetchall()
    found: dict[str, list[str]] = {}
    for table, column in rows:
        found.setdefault(table, []).append(column)
    return found


_DEEPEST: Final = 900 if sqlite3.sqlite_version_info >= (3, 46) else 80
"""Parentheses in each other that a schema may hold here: the stack of older parsers has a hundred places."""


def _schemas(base: str) -> Iterator[Case]:
    table = MESSAGES[base]
    rename = f'ALTER TABLE "{table}" RENAME TO kept;'
    endless = "WITH RECURSIVE n(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM n)"
    scripts: dict[str, tuple[str, str | None]] = {
        "messages that are a view": (f'{rename} CREATE VIEW "{table}" AS SELECT * FROM kept;', UNKNOWN),
        "messages that are a view without end": (
            f'{rename} CREATE VIEW "{table}" AS {endless} SELECT k.* FROM n, kept AS k;',
            UNKNOWN,
        ),
        "messages that an index finds": (f'{rename} CREATE VIRTUAL TABLE "{table}" USING fts5(a);', UNKNOWN),
        "messages that a program makes": (
            f"{rename} PRAGMA writable_schema = ON; INSERT INTO sqlite_schema VALUES"
            f" ('table', '{table}', '{table}', 0, 'CREATE VIRTUAL TABLE {table} USING nosuch(a)');",
            None,
        ),
        "messages of which a column is computed": (
            f'ALTER TABLE "{table}" ADD COLUMN more TEXT AS (hex(zeroblob(8000000)));',
            UNKNOWN,
        ),
        "a trigger": (
            f'CREATE TRIGGER t AFTER UPDATE ON "{table}" BEGIN DELETE FROM "{table}"; END;',
            "",
        ),
        "an index of something costly": (
            f'CREATE INDEX i ON "{table}" (hex(zeroblob(100)));',
            "",
        ),
        "a sequence that nobody knows": (
            f"{_forge(table, 'PRIMARY KEY', 'COLLATE nosuch PRIMARY KEY')}",
            None,
        ),
        "10,000 tables": (
            "CREATE TABLE t (a, b); PRAGMA writable_schema = ON;"
            " WITH RECURSIVE n(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM n WHERE a < 10000)"
            " INSERT INTO sqlite_schema SELECT 'table', 't' || a, 't' || a, rootpage,"
            " 'CREATE TABLE t' || a || '(a, b)' FROM n, sqlite_schema WHERE name = 't';",
            "",
        ),
        "a table of 1,900 columns": (
            f"CREATE TABLE wide ({', '.join(f'c{n}' for n in range(1_900))});",
            None,
        ),
        "tables with names of statements": (
            'CREATE TABLE "a""; DROP TABLE b; --" ("c""d");CREATE TABLE "\u202e" ("\x1b[2J");',
            "",
        ),
        "a schema that is not SQL": (_forge(table, "CREATE", "CREATED"), None),
        "a schema of a hundred thousand characters": (
            _forge(table, "(", "(" + "/*" + "x" * 100_000 + "*/"),
            None,
        ),
        "expressions in expressions": (
            f'CREATE INDEX i ON "{table}" ({"(" * _DEEPEST}1{")" * _DEEPEST});',
            None,
        ),
        "tables that share a page": (
            f"CREATE TABLE other (a); PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage ="
            f" (SELECT rootpage FROM sqlite_schema WHERE name = '{table}') WHERE name = 'other';",
            None,
        ),
        "messages twice": (
            "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema SELECT * FROM sqlite_schema"
            f" WHERE name = '{table}';",
            DAMAGED,
        ),
    }
    for name, (script, refused) in scripts.items():
        yield Case(base, name, partial(_with_schema, base, script), refused)
    for size in (512, 65_536):
        yield Case(base, f"pages of {size} bytes", partial(_vacuumed, base, f"page_size = {size}"), "")
    for encoding in ("UTF-16le", "UTF-16be"):
        yield Case(base, f"texts in {encoding}", partial(_vacuumed, base, f"encoding = '{encoding}'"), "")


def _forge(table: str, old: str, new: str) -> str:
    return (
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql,"
        f" '{old}', '{new}') WHERE name = '{table}';"
    )


def _with_schema(base: str, script: str, folder: Path) -> Path:
    path = copy(base, folder)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA legacy_alter_table = ON")
        db.executescript(f"BEGIN; {script} COMMIT;")
    return path


def _with_checks(folder: Path) -> Path:
    """A check that takes some hundredths of a second for each of 4,000 rows."""
    path = copy("lharries", folder)
    cost = "instr(replace(hex(zeroblob(3000000)), rowid || '', 'ab'), 'abc') = 0"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            """WITH RECURSIVE n(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM n WHERE a < 4000)
            INSERT INTO messages (id, chat_jid) SELECT 'N' || a, 'x' FROM n;
            PRAGMA writable_schema = ON;"""
        )
        db.execute(
            "UPDATE sqlite_schema SET sql = substr(sql, 1, length(sql) - 1) || ', CHECK (' || ? || '))'"
            " WHERE name = 'messages' AND type = 'table'",
            (cost,),
        )
        db.commit()
    return path


def _vacuumed(base: str, pragma: str, folder: Path) -> Path:
    """The same, written as SQLite may write it as well."""
    whole = copy(base, folder)
    path = folder / "other.db"
    with closing(sqlite3.connect(whole)) as db:
        script = "\n".join(
            line for line in db.iterdump() if "sqlite_sequence" not in line and "fts" not in line
        )
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA {pragma}")
        db.executescript(script)
    return path
