"""Files: fetched, made ready for WhatsApp and readable; a child process decodes foreign formats."""

from whatsapp_mcp.media.foreign_archives import bridge_pages, read_chat_export, read_exported_file
from whatsapp_mcp.media.formats import HEAD_BYTES, Format, format_of
from whatsapp_mcp.media.previews import Preview, preview_of
from whatsapp_mcp.media.readers import (
    Reader,
    ReaderOptions,
    available,
    open_reader,
    readable,
    reads_words,
)
from whatsapp_mcp.media.reading import (
    Looks,
    Made,
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
from whatsapp_mcp.media.speech import SpeechOptions, sends_away, speech_options, why_no_speech
from whatsapp_mcp.media.web import fetch
from whatsapp_mcp.media.worker import Answer, Limits, Source, Worker, open_worker

__all__ = [
    "HEAD_BYTES",
    "Answer",
    "Format",
    "Limits",
    "Looks",
    "Made",
    "Preview",
    "Reader",
    "ReaderOptions",
    "Source",
    "SpeechOptions",
    "Still",
    "Worker",
    "available",
    "bridge_pages",
    "fetch",
    "format_of",
    "listen",
    "look_at_picture",
    "look_at_recording",
    "looping_video",
    "open_reader",
    "open_worker",
    "picture",
    "preview_of",
    "read_chat_export",
    "read_exported_file",
    "readable",
    "reads_recordings",
    "reads_words",
    "sends_away",
    "speech_options",
    "sticker",
    "stills",
    "voice_note",
    "why_no_speech",
]
