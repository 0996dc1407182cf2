"""Opening a database that may be encrypted, with the errors of the standard library either way.

A plain file is opened with Python's `sqlite3`, an encrypted one with SQLCipher (`sqlcipher3`, which has the
same interface but for its classes of errors: a subclass makes those of `sqlite3` out of them). So nobody who
catches `sqlite3.Error` needs to know which it is, and a plain account is read by what has always read it.
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, ParamSpec, Self, TypeVar

from whatsapp_mcp.errors import Unsupported

P = ParamSpec("P")
R = TypeVar("R")

_CURSOR_METHODS: Final = (
    "__next__",
    "execute",
    "executemany",
    "executescript",
    "fetchall",
    "fetchmany",
    "fetchone",
)
"""Iteration too: SQLite reads rows, and fails, while they are fetched."""
_CONNECTION_METHODS: Final = ("close", "commit", "execute", "executemany", "executescript", "rollback")
_NO_DATABASE: Final = 26
"""SQLITE_NOTADB: a plain file that is read with a key, or an encrypted one without."""


@dataclass(frozen=True, slots=True, repr=False)
class DatabaseKey:
    """The key of one database.

    Attributes:
        secret: 32 bytes.
        may_be_plain: Whether the file may still be, or already be, a plain one.
    """

    SIZE: ClassVar[int] = 33
    secret: bytes
    may_be_plain: bool = False

    def to_bytes(self) -> bytes:
        """Encode the key for `from_bytes`."""
        return self.secret + bytes((self.may_be_plain,))

    @classmethod
    def from_bytes(cls, given: bytes) -> Self:
        """Decode a key from the `SIZE` bytes that `to_bytes` returned."""
        return cls(given[:-1], bool(given[-1]))

    @property
    def pragma(self) -> str:
        """The key as SQLCipher takes it: raw, so that none is derived from it."""
        return f"\"x'{self.secret.hex()}'\""


def connect(path: Path | str, key: DatabaseKey | None, **options: Any) -> sqlite3.Connection:
    """Open a database as `sqlite3.connect` does, encrypted if there is a key; a new file becomes so.

    Raises:
        Unsupported: There is a key, and SQLCipher is not installed.
        sqlite3.Error: The file cannot be opened.
    """
    if key is None:
        return sqlite3.connect(path, **options)
    db = connect_cipher(path, key, **options)
    try:
        # Reads the first page, and no schema, which is anybody's in a journal: whether the key fits.
        db.execute("PRAGMA user_version").fetchone()
    except sqlite3.DatabaseError as error:
        db.close()
        if key.may_be_plain and error.sqlite_errorcode == _NO_DATABASE:
            return sqlite3.connect(path, **options)
        raise
    return db


def connect_cipher(path: Path | str, key: DatabaseKey | None, **options: Any) -> sqlite3.Connection:
    """Open a file with SQLCipher, which reads plain ones as well; what is in it is not looked at yet.

    Raises:
        Unsupported: SQLCipher is not installed.
        sqlite3.Error: The file cannot be opened.
    """
    db = _cipher_connect()(path, **options)
    db.execute("PRAGMA cipher_log_level = NONE")  # else it prints what is raised as well
    if key is not None:
        db.execute(f"PRAGMA key = {key.pragma}")
    return db


@functools.cache
def _cipher_connect() -> Callable[..., sqlite3.Connection]:
    """SQLCipher with the errors of `sqlite3`; made once, when the first encrypted file is opened."""
    try:
        import sqlcipher3.dbapi2
    except ImportError as error:
        raise Unsupported(
            "The account is encrypted, and SQLCipher is not installed.",
            "Install whatsapp-mcp with the extra `encryption`.",
        ) from error

    cipher: Any = sqlcipher3.dbapi2  # it has no types

    def translating(method: Callable[P, R]) -> Callable[P, R]:
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return method(*args, **kwargs)
            except cipher.Error as error:
                raise _of_standard(error) from error

        return called

    def translated(base: type, names: tuple[str, ...], **others: Any) -> type:
        return type(
            base.__name__, (base,), {**{name: translating(getattr(base, name)) for name in names}, **others}
        )

    cursor = translated(cipher.Cursor, _CURSOR_METHODS)

    def cursor_of(self: Any) -> Any:
        """The method that `execute` of a connection asks for its cursor as well."""
        return cipher.Connection.cursor(self, cursor)

    connection = translated(
        cipher.Connection,
        _CONNECTION_METHODS,
        cursor=cursor_of,
    )
    return translating(functools.partial(cipher.connect, factory=connection))


def _of_standard(error: Exception) -> sqlite3.Error:
    """The error of the standard library that has the same name, with SQLite's code."""
    kind: type[sqlite3.Error] = getattr(sqlite3, type(error).__name__, sqlite3.DatabaseError)
    made = kind(*error.args)
    made.sqlite_errorcode = getattr(error, "sqlite_errorcode", 1)
    made.sqlite_errorname = getattr(error, "sqlite_errorname", "SQLITE_ERROR")
    return made
