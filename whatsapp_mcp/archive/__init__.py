"""Everything that was said: messages, chats, contacts, receipts and sends of one account.

`open_archive` opens it: the account's leader for writing, every server for reading.
"""

from whatsapp_mcp.archive import exchange
from whatsapp_mcp.archive.access import open_archive
from whatsapp_mcp.archive.archive import Archive
from whatsapp_mcp.archive.exporting import export
from whatsapp_mcp.archive.operations import WriteOperation
from whatsapp_mcp.archive.projection import LogStorage, UnappliedError, set_aside
from whatsapp_mcp.archive.reading import ReadingArchive
from whatsapp_mcp.archive.write import outbox, recording

__all__ = [
    "Archive",
    "LogStorage",
    "ReadingArchive",
    "UnappliedError",
    "WriteOperation",
    "exchange",
    "export",
    "open_archive",
    "outbox",
    "recording",
    "set_aside",
]
