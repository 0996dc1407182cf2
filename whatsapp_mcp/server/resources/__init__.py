"""What an application reads by its URI: the files of messages."""

from whatsapp_mcp.server.resources.blocks import content_blocks, thumbnail_block
from whatsapp_mcp.server.resources.files import (
    MEDIA_URI,
    FetchedFile,
    described,
    fetch_file,
    media_uri,
    told_reading,
)
from whatsapp_mcp.server.resources.linking import link_resource
from whatsapp_mcp.server.resources.media import media as media_resource

__all__ = [
    "MEDIA_URI",
    "FetchedFile",
    "content_blocks",
    "described",
    "fetch_file",
    "link_resource",
    "media_resource",
    "media_uri",
    "thumbnail_block",
    "told_reading",
]
