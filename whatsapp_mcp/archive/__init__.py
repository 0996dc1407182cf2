"""Everything that was said: messages, chats, contacts, receipts and sends of one account.

`open_archive` opens it: the account's leader for writing, every server for reading.
"""

from whatsapp_mcp.archive.export import export
from whatsapp_mcp.archive.reading import ReadingArchive
from whatsapp_mcp.archive.records import (
    CALL_KEY,
    Change,
    ChatCandidate,
    ContactUpdate,
    Coverage,
    Gap,
    GroupMember,
    GroupUpdate,
    HistoryProgress,
    ImportedChat,
    ImportResult,
    IngestResult,
    JournalEvent,
    MediaSource,
    MessageFilter,
    OutboxEntry,
    Statistics,
    meant,
)
from whatsapp_mcp.archive.sqlite import Archive, open_archive
from whatsapp_mcp.archive.write_operations import WriteOperation

__all__ = [
    "CALL_KEY",
    "Archive",
    "Change",
    "ChatCandidate",
    "ContactUpdate",
    "Coverage",
    "Gap",
    "GroupMember",
    "GroupUpdate",
    "HistoryProgress",
    "ImportResult",
    "ImportedChat",
    "IngestResult",
    "JournalEvent",
    "MediaSource",
    "MessageFilter",
    "OutboxEntry",
    "ReadingArchive",
    "Statistics",
    "WriteOperation",
    "export",
    "meant",
    "open_archive",
]
