"""The sources of messages, in the order in which a file is tried.

To add one, write a module with what `Source` lists, and name it here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from whatsapp_mcp.features.imports.foreign import android, iphone
from whatsapp_mcp.features.imports.foreign.database import Opened, Schema
from whatsapp_mcp.features.imports.foreign.servers import gowa, lharries, wacli
from whatsapp_mcp.models import ForeignPage, ImportSource


class Source(Protocol):
    """A reader for the databases of one program.

    Whatever stands in a row may be of any type, size and sense. What a page leaves out it counts.
    """

    @property
    def SOURCE(self) -> ImportSource:  # noqa: N802
        """Program that wrote these databases."""
        ...

    def fits(self, schema: Schema) -> bool:
        """Check whether a database is of a known version."""
        ...

    def tables(self, schema: Schema) -> Sequence[str]:
        """The tables that are read of it; as `database.check` has them."""
        ...

    def total(self, archive: Opened) -> int:
        """Return the number of rows of messages."""
        ...

    def page(self, archive: Opened, after: int | None, rows: int) -> ForeignPage:
        """The messages after this row, and people and chats with those of the first page.

        Raises:
            sqlite3.Error: It is damaged there.
        """
        ...


# What has the tables of lharries' bridge may be GOWA's, which has more of them.
SOURCES: Final[tuple[Source, ...]] = (android, iphone, gowa, lharries, wacli)
