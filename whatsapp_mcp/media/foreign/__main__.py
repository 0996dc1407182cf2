"""The process that reads one foreign archive: `python -m whatsapp_mcp.media.foreign FILE`.

It opens what its arguments name, is confined, and serves (`child.py`). Nothing of the file is looked at
before.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import Any, BinaryIO, Final

from pydantic import TypeAdapter

from whatsapp_mcp.media.child import run
from whatsapp_mcp.media.confinement import lower_priority
from whatsapp_mcp.media.foreign import database
from whatsapp_mcp.media.foreign.database import Opened
from whatsapp_mcp.media.foreign.sources import SOURCES, Source
from whatsapp_mcp.media.job import Outcome
from whatsapp_mcp.models import ForeignPage

MEMORY_BYTES: Final = 256 * 1024 * 1024
"""What reading may take beside the loaded libraries."""
_PAGE: Final = TypeAdapter(ForeignPage)
_TABLES: Final = TypeAdapter(dict[str, frozenset[str]])


class Reading:
    """The jobs, on the one archive of this process."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._found: tuple[Source, Opened] | None = None

    def open(self, file: BinaryIO, options: dict[str, Any]) -> Outcome:
        """What the archive is: `source` and `total`; or, of an unknown version, `version` and its tables.

        Options: `owner`, as in `Opened`.

        Raises:
            InvalidArgument: It is no database, or a damaged one.
        """
        del file
        schema = database.guarded(self._db)
        source = next((one for one in SOURCES if one.fits(schema)), None)
        if source is None:
            return {"source": None, "version": schema.version}, _TABLES.dump_json(dict(schema.tables))
        database.check(self._db, source.tables(schema))
        found = Opened(self._db, schema, options["owner"])
        self._found = source, found
        try:
            return {"source": source.SOURCE, "total": source.total(found)}, b""
        except sqlite3.Error:
            raise database.damaged() from None

    def page(self, file: BinaryIO, options: dict[str, Any]) -> Outcome:
        """A part of the archive, as the JSON of a `ForeignPage`.

        Options: `after`, where it begins, None at the beginning; `rows`, how many messages it has; those of
        `open`.

        Raises:
            InvalidArgument: It is damaged there.
        """
        if self._found is None:  # in a process that was started in place of one that ended
            self.open(file, options)
        assert self._found is not None
        source, found = self._found
        try:
            page = source.page(found, options["after"], options["rows"])
        except sqlite3.Error:
            raise database.damaged() from None
        return {}, _PAGE.dump_json(page)


def main(arguments: list[str]) -> None:
    """Open, then serve."""
    lower_priority()
    (path,) = arguments
    reading = Reading(database.opened(Path(path)))
    run({"open": reading.open, "page": reading.page}, MEMORY_BYTES)


if __name__ == "__main__":
    main(sys.argv[1:])
