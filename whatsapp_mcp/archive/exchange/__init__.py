"""Messages that come from another program or go to one."""

from whatsapp_mcp.archive.exchange.chat_exports import people_of_export
from whatsapp_mcp.archive.exchange.export_matching import match_exports
from whatsapp_mcp.archive.exchange.export_slices import export_slices, import_chat_export, without_file
from whatsapp_mcp.archive.exchange.foreign_pages import import_page, remember_dry_pairs, slices_of
from whatsapp_mcp.archive.exchange.foreign_reading import address_of_import
from whatsapp_mcp.archive.exchange.import_records import (
    import_begun,
    import_ended,
    import_files,
    imports,
    position_of,
)
from whatsapp_mcp.archive.exchange.prepared_imports import dated, store_file
from whatsapp_mcp.archive.exchange.undoing import import_undone

__all__ = [
    "address_of_import",
    "dated",
    "export_slices",
    "import_begun",
    "import_chat_export",
    "import_ended",
    "import_files",
    "import_page",
    "import_undone",
    "imports",
    "match_exports",
    "people_of_export",
    "position_of",
    "remember_dry_pairs",
    "slices_of",
    "store_file",
    "without_file",
]
