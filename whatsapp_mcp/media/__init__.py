"""Making files ready for WhatsApp and readable for a model; what is foreign is decoded in a process apart."""

from whatsapp_mcp.media.foreign_archives import bridge_pages, read_chat_export, read_exported_file
from whatsapp_mcp.media.worker import Answer, Limits, Source, Worker, open_worker

__all__ = [
    "Answer",
    "Limits",
    "Source",
    "Worker",
    "bridge_pages",
    "open_worker",
    "read_chat_export",
    "read_exported_file",
]
