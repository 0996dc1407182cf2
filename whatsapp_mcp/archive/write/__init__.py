"""What applies the operations: updates of WhatsApp, what the device looked up, sends."""

from whatsapp_mcp.archive.write.applying import Applying, begin_operation, begin_raw_operation
from whatsapp_mcp.archive.write.file_records import (
    record_file_problem,
    record_imported_file,
    record_media_path,
    record_reading,
)
from whatsapp_mcp.archive.write.ingestion import (
    Ingest,
    ingest,
    open_addons,
    position,
    redecode,
    write_updates,
)
from whatsapp_mcp.archive.write.outbox import (
    outbox_failed,
    outbox_quarantine,
    outbox_queued,
    outbox_sending,
    outbox_sent,
    outbox_unknown,
    outbox_withdrawn,
)
from whatsapp_mcp.archive.write.recording import (
    confirm_person,
    meta_set,
    record_aside,
    record_channels,
    record_chat_settings,
    record_contacts,
    record_departure,
    record_gap,
    record_groups,
    record_identities,
    record_read,
    record_timer,
    set_own,
)
from whatsapp_mcp.archive.write.sealed_addons import open_waiting_addons
from whatsapp_mcp.archive.write.send_acceptance import outbox_add
from whatsapp_mcp.archive.write.waiting_sends import (
    end_replied,
    outbox_asked,
    outbox_due,
    outbox_postponed,
    outbox_released,
)

__all__ = [
    "Applying",
    "Ingest",
    "begin_operation",
    "begin_raw_operation",
    "confirm_person",
    "end_replied",
    "ingest",
    "meta_set",
    "open_addons",
    "open_waiting_addons",
    "outbox_add",
    "outbox_asked",
    "outbox_due",
    "outbox_failed",
    "outbox_postponed",
    "outbox_quarantine",
    "outbox_queued",
    "outbox_released",
    "outbox_sending",
    "outbox_sent",
    "outbox_unknown",
    "outbox_withdrawn",
    "position",
    "record_aside",
    "record_channels",
    "record_chat_settings",
    "record_contacts",
    "record_departure",
    "record_file_problem",
    "record_gap",
    "record_groups",
    "record_identities",
    "record_imported_file",
    "record_media_path",
    "record_read",
    "record_reading",
    "record_timer",
    "redecode",
    "set_own",
    "write_updates",
]
