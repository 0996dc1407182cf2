"""Messages that come from another program or go to one."""

from whatsapp_mcp.archive.exchange.importer import import_bridge, import_chat_export
from whatsapp_mcp.archive.exchange.prepared_imports import dated, dated_rows, store_file

__all__ = [
    "dated",
    "dated_rows",
    "import_bridge",
    "import_chat_export",
    "store_file",
]
