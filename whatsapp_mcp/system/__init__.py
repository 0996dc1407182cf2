"""What differs between operating systems, and nothing else: who calls it need not ask which one this is."""

from whatsapp_mcp.system.memory import share_arenas
from whatsapp_mcp.system.pipe_output import PipeOutput
from whatsapp_mcp.system.private_file import (
    draft_of,
    is_draft,
    make_private_file,
    read_or_make,
    replaced,
    sync_folder,
    write_private,
)

__all__ = [
    "PipeOutput",
    "draft_of",
    "is_draft",
    "make_private_file",
    "read_or_make",
    "replaced",
    "share_arenas",
    "sync_folder",
    "write_private",
]
