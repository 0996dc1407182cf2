"""WhatsApp on Android: `msgstore.db`, as it was until 2021 and as it is since, with `wa.db` beside it."""

from whatsapp_mcp.features.imports.foreign.android.source import SOURCE, fits, page, tables, total

__all__ = ["SOURCE", "fits", "page", "tables", "total"]
