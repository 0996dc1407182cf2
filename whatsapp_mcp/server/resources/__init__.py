"""What an application reads by its URI: the files of messages."""

from whatsapp_mcp.server.resources.blocks import content_blocks, thumbnail_block
from whatsapp_mcp.server.resources.catalogue import RESOURCES, selected
from whatsapp_mcp.server.resources.files import FetchedFile, described, fetch_file, media_uri, told_reading

__all__ = [
    "RESOURCES",
    "FetchedFile",
    "content_blocks",
    "described",
    "fetch_file",
    "media_uri",
    "selected",
    "thumbnail_block",
    "told_reading",
]
