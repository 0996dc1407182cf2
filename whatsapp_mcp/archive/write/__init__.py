"""Application of operations: updates from WhatsApp, what the device looked up, sends."""

from whatsapp_mcp.archive.write import outbox, recording
from whatsapp_mcp.archive.write.applying import (
    PLACES,
    WriteContext,
    begin_operation,
    begin_raw_operation,
    mark_archive,
    mark_raw,
)
from whatsapp_mcp.archive.write.ingestion import (
    POISON,
    Ingest,
    ingest,
    open_addons,
    position,
    redecode,
    write_updates,
)
from whatsapp_mcp.archive.write.outbox import end_replied
from whatsapp_mcp.archive.write.sealed_addons import open_waiting_addons

__all__ = [
    "PLACES",
    "POISON",
    "Ingest",
    "WriteContext",
    "begin_operation",
    "begin_raw_operation",
    "end_replied",
    "ingest",
    "mark_archive",
    "mark_raw",
    "open_addons",
    "open_waiting_addons",
    "outbox",
    "position",
    "recording",
    "redecode",
    "write_updates",
]
