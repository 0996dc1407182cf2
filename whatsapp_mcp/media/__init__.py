"""Files: fetched, made ready for WhatsApp and readable; a child process decodes foreign formats."""

from whatsapp_mcp.media.formats import HEAD_BYTES, Format, format_of
from whatsapp_mcp.media.previews import Preview, preview_of
from whatsapp_mcp.media.reading import (
    DerivedFile,
    Looks,
    Still,
    listen,
    look_at_picture,
    look_at_recording,
    looping_video,
    picture,
    reads_recordings,
    sticker,
    stills,
    voice_note,
)
from whatsapp_mcp.media.web import ResolvedUrl, fetch, locate, pinned_proxy
from whatsapp_mcp.media.worker import JobResult, Limits, Source, Worker, open_worker

__all__ = [
    "HEAD_BYTES",
    "DerivedFile",
    "Format",
    "JobResult",
    "Limits",
    "Looks",
    "Preview",
    "ResolvedUrl",
    "Source",
    "Still",
    "Worker",
    "fetch",
    "format_of",
    "listen",
    "locate",
    "look_at_picture",
    "look_at_recording",
    "looping_video",
    "open_worker",
    "picture",
    "pinned_proxy",
    "preview_of",
    "reads_recordings",
    "sticker",
    "stills",
    "voice_note",
]
