"""Error sentences of the reading process, beside those of the jobs that decode pictures and sound."""

from __future__ import annotations

import re
from typing import Final

from whatsapp_mcp.media import job

_OTHERS: Final = (
    "a 7z",
    "a RAR",
    "a gzip",
    "an Outlook message (.msg)",
    "an encrypted document",
    "an old Excel workbook (.xls)",
    "an old Office document",
    "an old PowerPoint presentation (.ppt)",
    "an old Word document (.doc)",
)
"""Descriptions of files that are not documents, beside those of the known formats."""
SLOTS: Final = {
    "<other>": "|".join(map(re.escape, _OTHERS)),
    "<model>": r"[a-z0-9.-]{1,30}",
    "<file>": r"[a-z_]{1,30}\.[a-z]{1,5}",
}
SENTENCES: Final = """
A document of more than # MB is not read.
A part of the document unpacks to more than # times its size.
An RTF of more than # MB is not read.
An element of the document has too long attributes.
An element of the document is too large.
PocketSphinx needs the extra `pocketsphinx`.
PocketSphinx recognises English only.
Reading words in pictures needs RapidOCR.
Recordings of up to # hours are transcribed.
The PDF has more than # pages.
The document contains no text.
The document declares a document type, which is not read.
The document is nested more than # levels deep.
The document is packed in a way that is not read here.
The document is protected with a password.
The document unpacks to more than # MB.
The file has more than # files inside.
The file is <label>, not a document that is read here.
The file is <label>, which is not read here.
The file is <other>, not a document that is read here.
The file is <other>, which is not read here.
The file is damaged.
The file is empty.
The file is neither text nor a document that is read here.
The file is no Word, Excel or PowerPoint document.
The model <model> cannot be used: it cannot be loaded.
The model <model> cannot be used: its file <file> is damaged or missing.
The model <model> does not know this language.
The model of speech is not installed.
The models of RapidOCR are missing.
The pages of the PDF are damaged, or unpack to more than is read.
The pages of the PDF are pictures, and words in pictures are not recognised here.
The pages of the PDF are pictures, in which no words were recognised.
The table has a field of more than # characters.
The writing in the picture cannot be read: Latin letters, Chinese and Japanese are read here.
Whisper needs the extra `voice`.
"""
"""Error messages; `#` is a number, `<label>` a format, and the other slots are in `SLOTS`."""
ACTIONS: Final = """
Ask for it as a PDF.
Ask the sender to send it again.
Get the file itself with download_media.
Install the extra `ocr` again.
Install the extra `ocr`.
Install whatsapp-mcp with the extra `pocketsphinx`.
Install whatsapp-mcp with the extra `voice`.
Listen to it on the phone.
Look at the picture with download_media.
Set another voice.engine.
Set another voice.language, or none.
Tell the user that the extra `ocr` does it: pip install 'mcp-server-whatsapp[ocr]'.
Tell the user to run `whatsapp-mcp voice install <model>`.
Tell the user to run `whatsapp-mcp voice install`.
Tell the user.
Tell the user; the sender can send it without one.
"""
"""Actions that errors suggest."""
SAID: Final = job.said(job.SENTENCES + SENTENCES, job.ACTIONS + ACTIONS, SLOTS)
