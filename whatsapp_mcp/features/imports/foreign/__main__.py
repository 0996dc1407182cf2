"""The process that reads one foreign archive.

`python -m whatsapp_mcp.features.imports.foreign FILE… --scratch FILE` opens what its arguments name, is
confined, and serves (`media/child.py`). The first file is the archive, others are databases of the same
program. Nothing of them is looked at before, but their first bytes. A folder is the local backup of an
iPhone, which has all of them.
"""

from __future__ import annotations

import argparse
import base64
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from pydantic import TypeAdapter

from whatsapp_mcp.errors import InvalidArgument, TooLong
from whatsapp_mcp.features.imports.foreign import address_book, database, decrypting, phone_files, sealed
from whatsapp_mcp.features.imports.foreign.database import Opened
from whatsapp_mcp.features.imports.foreign.phone_files import PhoneBackup
from whatsapp_mcp.features.imports.foreign.sealed import File
from whatsapp_mcp.features.imports.foreign.sources import SOURCES, Source
from whatsapp_mcp.media.child import run
from whatsapp_mcp.media.job import Outcome
from whatsapp_mcp.models import ForeignPage

MEMORY_BYTES: Final = 256 * 1024 * 1024
"""Most memory that reading may take in addition to the loaded libraries."""
_KEPT_FREE: Final = 500_000_000
"""Bytes of the disk that are never unpacked into."""
_PAGE: Final = TypeAdapter(ForeignPage)
_PAGE_BYTES: Final = 4_000_000
"""Most bytes of a page: the server checks it in one go, which takes some 60 ms for each million bytes."""
_TABLES: Final = TypeAdapter(dict[str, frozenset[str]])


class Reading:
    """The jobs, on the one archive of this process.

    Args:
        file: What becomes its database.
        beside: What become other databases of the same program.
        backup: Where they are from, if it has the files of messages too.
    """

    def __init__(self, file: File, beside: Sequence[File] = (), backup: PhoneBackup | None = None) -> None:
        self._file = file
        self._beside = beside
        self._backup = backup
        self._found: tuple[Source, Opened] | None = None

    def open(self, file: BinaryIO, options: dict[str, Any]) -> Outcome:
        """Identify the archive: `source` and `total`; or, of an unknown version, `version` and its tables.

        Options: `owner`, as in `Opened`; `key`, in base64, of an encrypted backup.

        Raises:
            InvalidArgument, TooLong, Busy: It cannot be decrypted, is no database, or a damaged one.
        """
        del file
        key = _key(options)
        db = self._file.database(key)
        schema = database.guarded(db)
        source = next((one for one in SOURCES if one.fits(schema)), None)
        if source is None:
            return {"source": None, "version": schema.version}, _TABLES.dump_json(dict(schema.tables))
        database.check(db, source.tables(schema))
        archive = Opened(db, schema, options["owner"], tuple(self._others(key)))
        self._found = source, archive
        try:
            return {"source": source.SOURCE, "total": source.total(archive)}, b""
        except database.DAMAGE:
            raise database.damaged() from None

    def page(self, file: BinaryIO, options: dict[str, Any]) -> Outcome:
        """A part of the archive, as the JSON of a `ForeignPage`.

        Options: `after`, where it begins, None at the beginning; `rows`, how many messages it has; those of
        `open`. It has fewer messages where so many are too much at once: in a large group each may have a
        thousand receipts.

        Raises:
            InvalidArgument: It is damaged there.
        """
        if self._found is None:  # in a process that was started in place of one that ended
            self.open(file, options)
        assert self._found is not None
        rows = options["rows"]
        while True:
            with suppress(MemoryError):
                content = self._page(options["after"], rows)
                if len(content) <= _PAGE_BYTES or rows == 1:
                    return {}, content
            if rows == 1:
                raise TooLong("A message in the database is too large.", "Give another copy of it.")
            rows = max(1, rows // 4)

    def _page(self, after: int | None, rows: int) -> bytes:
        assert self._found is not None
        source, archive = self._found
        try:
            return _PAGE.dump_json(source.page(archive, after, rows))
        except database.DAMAGE:
            raise database.damaged() from None

    def key(self, file: BinaryIO, options: dict[str, Any]) -> Outcome:
        """The key of the file of a message in an encrypted backup: `key`, None if it has none.

        Options: `path`, as in `ForeignFile`; those of `open`.

        Raises:
            InvalidArgument, Unsupported, Busy: As `open`.
        """
        del file
        file_key = None if self._backup is None else self._backup.key(options["path"], _key(options))
        return {"key": None if file_key is None else file_key.hex()}, b""

    def _others(self, key: bytes | None) -> Iterator[Opened]:
        """The databases beside it; a damaged one is left out, since nothing depends on it."""
        for file in self._beside:
            try:
                db = file.database(key)
                schema = database.guarded(db)
                database.check(db, filter(str.isidentifier, schema.tables))
            except (InvalidArgument, TooLong):
                continue
            yield Opened(db, schema)


def main(arguments: list[str]) -> None:
    """Open, rehearse, then serve. A person waits for it, and it computes a fifth of what its server does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--scratch", type=Path, required=True)
    options = parser.parse_args(arguments)
    first, backup = options.files[0], None
    if first.is_dir():
        backup = PhoneBackup(first, options.scratch)
        files: Sequence[File] = backup.files
    elif _is_address_book(first):
        address_book.rehearse()
        cards = address_book.AddressBook(first.open("rb"))
        run({"open": cards.open, "page": cards.page}, MEMORY_BYTES, is_background=False)
        return
    else:
        files = [
            sealed.opened(path, options.scratch.with_name(f"{options.scratch.name}{number or ''}"))
            for number, path in enumerate(options.files)
        ]
    decrypting.rehearse()
    phone_files.rehearse()
    reading = Reading(files[0], files[1:], backup)
    written = min(max(file.written_bytes for file in files), _room(options.scratch.parent))
    jobs = {"open": reading.open, "page": reading.page, "key": reading.key}
    run(jobs, MEMORY_BYTES, written, is_background=False)


def _room(folder: Path) -> int:
    """Bytes that may be unpacked: what comes over the connection meanwhile has to be stored, too."""
    return max(1, shutil.disk_usage(folder).free - _KEPT_FREE)


def _is_address_book(path: Path) -> bool:
    with path.open("rb") as start:
        return address_book.is_address_book(start.read(address_book.HEAD_BYTES))


def _key(options: dict[str, Any]) -> bytes | None:
    return None if options["key"] is None else base64.b64decode(options["key"])


if __name__ == "__main__":
    main(sys.argv[1:])
