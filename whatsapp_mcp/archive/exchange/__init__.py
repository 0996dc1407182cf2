"""Messages that come from another program or go to one."""

from whatsapp_mcp.archive.exchange.export_matching import match_exports
from whatsapp_mcp.archive.exchange.foreign_pages import import_page
from whatsapp_mcp.archive.exchange.import_records import import_begun, import_ended, import_files, imports
from whatsapp_mcp.archive.exchange.importer import import_bridge, import_chat_export
from whatsapp_mcp.archive.exchange.prepared_imports import dated, dated_rows, store_file
from whatsapp_mcp.archive.exchange.undoing import import_undone

__all__ = [
    "dated",
    "dated_rows",
    "import_begun",
    "import_bridge",
    "import_chat_export",
    "import_ended",
    "import_files",
    "import_page",
    "import_undone",
    "imports",
    "match_exports",
    "store_file",
]
