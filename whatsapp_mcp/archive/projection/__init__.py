"""The archive as a projection of a log: each operation is in the log before it is applied."""

from whatsapp_mcp.archive.projection.log_contents import LogStorage
from whatsapp_mcp.archive.projection.log_writer import LogWriter, UnappliedError, Values
from whatsapp_mcp.archive.projection.opening import open_projection, set_aside, skip_to_snapshot
from whatsapp_mcp.archive.projection.snapshotting import forget_purged, is_due, make_snapshot, names_events

__all__ = [
    "LogStorage",
    "LogWriter",
    "UnappliedError",
    "Values",
    "forget_purged",
    "is_due",
    "make_snapshot",
    "names_events",
    "open_projection",
    "set_aside",
    "skip_to_snapshot",
]
