"""The archive as a projection of a log: each operation is in the log before it is applied."""

from whatsapp_mcp.archive.projection.agreement import Place, place_of
from whatsapp_mcp.archive.projection.log_storage import LogStorage
from whatsapp_mcp.archive.projection.log_writer import LogWriter, UnappliedError
from whatsapp_mcp.archive.projection.opening import open_projection

__all__ = ["LogStorage", "LogWriter", "Place", "UnappliedError", "open_projection", "place_of"]
