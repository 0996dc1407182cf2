"""A job of the decoding process: what it takes, what it answers, and what becomes of its errors.

An error crosses to the server as a code and two sentences, and these reach the model as ours. A file may have
taken over the process, so the server believes only sentences that it knows (`error_of`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Final

from whatsapp_mcp.errors import (
    Busy,
    InvalidArgument,
    MediaUnavailable,
    TooLong,
    Unsupported,
    WhatsAppError,
)

Outcome = tuple[dict[str, Any], bytes]
"""JSON-able facts, and bytes."""
Job = Callable[[BinaryIO, dict[str, Any]], Outcome]
"""Takes the file, open for reading and seekable, and options. Raises `WhatsAppError`, or anything."""

_KINDS: Final = {kind.code: kind for kind in (Busy, InvalidArgument, MediaUnavailable, TooLong, Unsupported)}
_LABELS: Final = """
a 7z|a DASH manifest|a FLAC|a GIF|a HEIC picture|a JPEG|a PDF|a PLS playlist|a PNG|a QuickTime link
a QuickTime video|a RAR|a SMIL presentation|a Smooth Streaming manifest|a WAV|a WebM or Matroska video|a WebP
a ZIP|a gzip|an AAC file|an AMR recording|an ASX playlist|an AVI video|an AVIF picture|an M3U playlist|an M4A
an MP3|an MP4|an Ogg file|an Outlook message (.msg)|an SDP description|an SVG drawing|an XSPF playlist
an encrypted document|an ffconcat list|an old Excel workbook (.xls)|an old Office document
an old PowerPoint presentation (.ppt)|an old Word document (.doc)
"""
_SLOTS: Final = {
    "#": r"\d{1,3}(?:,\d{3}){0,3}|\d{1,6}",
    "<label>": "|".join(map(re.escape, re.split(r"[|\n]", _LABELS.strip()))),
    "<model>": r"[a-z0-9.-]{1,30}",
    "<file>": r"[a-z_]{1,30}\.[a-z]{1,5}",
}
SENTENCES: Final = """
A GIF has at most # seconds.
A document of more than # MB is not read.
A message in the database is too large.
A part of the document unpacks to more than # times its size.
A picture of more than # MB is not read.
A voice note has at most an hour.
An RTF of more than # MB is not read.
An element of the document has too long attributes.
An element of the document is too large.
An entry of the zip expands more than #-fold.
An entry of the zip has more than # MB.
It has more than # million pixels.
PocketSphinx needs the extra `pocketsphinx`.
PocketSphinx recognises English only.
Reading HEIC pictures needs pillow-heif.
Reading the file takes more memory than is allowed.
Reading video and sound needs PyAV.
Reading words in pictures needs RapidOCR.
More than # people wrote in the export.
Recordings of up to # hours are transcribed.
The PDF has more than # pages.
The address book has more than # contacts.
The database holds several accounts.
The backup cannot be unpacked: the disk is full, or fails.
The backup is encrypted, and reading such ones needs the extra `iphone`.
The backup is encrypted, so its password is needed.
The backup is encrypted, so its key is needed.
The backup is protected with a passkey, which only the phone can use.
The backup unpacks to more than # times its size.
The database is damaged.
The document contains no text.
The document declares a document type, which is not read.
The document is nested more than # levels deep.
The document is packed in a way that is not read here.
The document is protected with a password.
The document unpacks to more than # MB.
The encrypted backup is damaged.
The export has more than # messages.
The file cannot be read.
The file contains no messages of a WhatsApp export.
The file contains no pictures.
The file contains no readable sound.
The file contains no video.
The file has an unknown format.
The file has more than # files inside.
The file is <label>, not a document that is read here.
The file is <label>, not a picture that can be read here.
The file is <label>, not a video or sound that can be read here.
The file is <label>, which can refer to other files; it is not opened.
The file is <label>, which is not read here.
The file is damaged.
The file is empty.
The file is neither a database nor an encrypted backup that is read here.
The file is neither text nor a document that is read here.
The file is no Word, Excel or PowerPoint document.
The key does not fit this backup.
The password does not fit this backup.
The key does not fit, or the file is damaged.
The model <model> cannot be used: it cannot be loaded.
The model <model> cannot be used: its file <file> is damaged or missing.
The model <model> does not know this language.
The model of speech is not installed.
The models of RapidOCR are missing.
The pages of the PDF are damaged, or unpack to more than is read.
The pages of the PDF are pictures, and words in pictures are not recognised here.
The pages of the PDF are pictures, in which no words were recognised.
The table has a field of more than # characters.
The video has no picture there.
The writing in the picture cannot be read: Latin letters, Chinese and Japanese are read here.
The zip contains no chat text.
The zip does not contain this file.
The zip has more than # entries.
The zip uses a compression that WhatsApp does not use.
This is no key of a backup.
Whisper needs the extra `voice`.
"""
"""What an error of a job may say happened. `#` is a number; what stands in angle brackets is in `_SLOTS`."""
ACTIONS: Final = """
Ask for it as a PDF.
Ask the sender to send it again.
Choose a 64-digit key in WhatsApp, then back up again.
Correct the argument and call again.
Do it on the phone instead.
Download it.
Free space on the disk, then try again.
Get the file itself with download_media.
Give 64 hexadecimal digits, or a file: `encrypted_backup.key`, or `key` for a .crypt14.
Give a backup of WhatsApp, a .vcf, or another server's database; or an exported .zip or .txt.
Give a zip exported by WhatsApp.
Give another copy of it.
Run `whatsapp-mcp archive import` with --key - (64 digits) or --key-file.
Give the exported zip or txt.
Run `whatsapp-mcp archive import` with --key -, or make a backup without a password.
Give the key of this backup.
Give the password of the backup.
Install the extra `iphone`, or make a local backup that is not encrypted.
Install the extra `media`.
Install the extra `ocr` again.
Install the extra `ocr`.
Install whatsapp-mcp with the extra `pocketsphinx`.
Install whatsapp-mcp with the extra `voice`.
Link a phone first.
Listen to it on the phone.
Look at the picture with download_media.
Send it with kind audio.
Send it with kind document.
Send it with kind video.
Set another voice.engine.
Set another voice.language, or none.
Shorten it or split it.
Tell the user that the extra `ocr` does it: pip install 'mcp-server-whatsapp[ocr]'.
Tell the user to run `whatsapp-mcp voice install <model>`.
Tell the user to run `whatsapp-mcp voice install`.
Tell the user.
Tell the user; the sender can send it without one.
Use a smaller file.
Use a smaller one.
"""
"""What it may say to do next."""
_PLACE: Final = re.compile(r"\w{1,60}(?: at [\w.-]{1,60}:\d{1,6})?")


def _known(sentences: str) -> re.Pattern[str]:
    """A pattern that these sentences match as a whole."""
    pattern = "|".join(map(re.escape, sentences.strip().splitlines()))
    for slot, found in _SLOTS.items():
        pattern = pattern.replace(re.escape(slot), f"(?:{found})")
    return re.compile(pattern)


_SENTENCE: Final = _known(SENTENCES)
_ACTION: Final = _known(ACTIONS)


def error_of(described: Mapping[str, Any]) -> WhatsAppError:
    """The error of a job as its process tells it; one that no job raises is `Unsupported`."""
    match described:
        case {"code": str(code), "message": str(message), "action": str(action)} if code in _KINDS:
            if _SENTENCE.fullmatch(message) and _ACTION.fullmatch(action):
                return _KINDS[code](message, action)
        case _:
            pass
    return invalid_answer()


def invalid_answer() -> Unsupported:
    """The error of a process that answers what no job answers."""
    return Unsupported("The decoding process answered with invalid data.", "Do not use this file.")


def place_in(cause: object) -> str | None:
    """Where an error that no job names was raised, for the log; None if it is no such place."""
    return cause if isinstance(cause, str) and _PLACE.fullmatch(cause) else None


def done(job: Job, file: BinaryIO, options: dict[str, Any]) -> Outcome:
    """The header and the body of the reply to a job, whatever comes of it."""
    try:
        facts, content = job(file, options)
    except WhatsAppError as error:
        return {"error": error.to_payload()}, b""
    except MemoryError:
        error = TooLong("Reading the file takes more memory than is allowed.", "Use a smaller file.")
        return {"error": error.to_payload(), "spent": True}, b""
    except Exception as error:  # noqa: BLE001
        # Its place, not its words: they may quote the file.
        return {"error": Unsupported("The file cannot be read.").to_payload(), "cause": _place(error)}, b""
    return {"answer": facts}, content


def _place(error: Exception) -> str:
    """The class of an error and where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    return (
        f"{type(error).__name__} at {os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"
    )
