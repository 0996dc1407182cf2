"""A chat that WhatsApp exported (`.txt`, or `.zip` with its files), read in the decoding process.

Its bounds: what is unpacked of a text, of a file, how far they may expand, how many entries there are, how
long a line is. WhatsApp exports 40,000 messages at most, 10,000 with their files.
"""

from __future__ import annotations

import encodings.cp437  # names in a zip without UTF-8; once this process is confined nothing can be loaded
import encodings.utf_8_sig
import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, BinaryIO, Final

from whatsapp_mcp.errors import InvalidArgument, MediaUnavailable, TooLong
from whatsapp_mcp.features.imports.exports.exported_text import read
from whatsapp_mcp.media.job import Job, Outcome
from whatsapp_mcp.models import ExportedMessage

TEXT_BYTES: Final = 64 * 1024 * 1024
"""Most bytes of the unpacked text."""
LINE: Final = 65_536
"""Characters of a line; the rest of it is left out."""
ENTRIES: Final = 100_000
AUTHORS: Final = 10_000
"""A group has 1,024 members; over the years more may have written in it."""
RATIO: Final = 100
"""Most times its compressed size that an entry over `_SMALL` bytes may expand to: text shrinks to a tenth."""
_SMALL: Final = 1_000_000
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_CODECS: Final = (encodings.cp437, encodings.utf_8_sig)


def chat_export(file: BinaryIO, options: dict[str, Any]) -> Outcome:
    """The messages of an export, as a JSON list of `ExportedMessage`.

    Raises:
        InvalidArgument: It holds no messages of an export.
        TooLong: It is over one of the bounds.
    """
    del options
    listed = [{**asdict(message), "at": message.at.isoformat()} for message in _messages(file)]
    return {}, json.dumps(listed, ensure_ascii=False).encode()


def chat_authors(file: BinaryIO, options: dict[str, Any]) -> Outcome:
    """Return who wrote in an export, as a JSON object of names and their numbers of messages.

    Raises:
        InvalidArgument, TooLong: As `chat_export`; or there are more people than a group has.
    """
    del options
    names = Counter(message.name for message in _messages(file) if message.name is not None)
    if len(names) > AUTHORS:
        raise TooLong(f"More than {AUTHORS:,} people wrote in the export.")
    return {}, json.dumps(names, ensure_ascii=False).encode()


def exported_file(file: BinaryIO, options: dict[str, Any]) -> Outcome:
    """One file of the zip. Options: its `name`, and how many `bytes` it may have.

    Raises:
        MediaUnavailable: There is no such file.
        TooLong: It is over one of the bounds.
    """
    limit: int = options["bytes"]
    with zipfile.ZipFile(file) as packed:
        try:
            entry = packed.getinfo(options["name"])
        except KeyError:
            raise MediaUnavailable("The zip does not contain this file.") from None
        with _opened(packed, entry, limit) as opened:
            content = opened.read(limit + 1)
    if len(content) > limit:
        raise _too_large(limit)
    return {}, content


def _opened(packed: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> io.BufferedIOBase:
    if entry.compress_type not in _METHODS:
        raise InvalidArgument("The zip uses a compression that WhatsApp does not use.")
    if entry.file_size > limit:
        raise _too_large(limit)
    if entry.file_size > max(_SMALL, RATIO * entry.compress_size):
        raise TooLong(f"An entry of the zip expands more than {RATIO}-fold.")
    return packed.open(entry)  # type: ignore[return-value]  # IO[bytes] in the stubs


def _too_large(limit: int) -> TooLong:
    return TooLong(f"An entry of the zip has more than {limit / 1e6:.0f} MB.")


def _messages(file: BinaryIO) -> list[ExportedMessage]:
    """The messages of an export.

    Raises:
        InvalidArgument, TooLong: As `chat_export`.
    """
    is_zip = zipfile.is_zipfile(file)
    file.seek(0)
    if not is_zip:
        return _said(file, frozenset())
    with zipfile.ZipFile(file) as packed:
        entries = packed.infolist()
        if len(entries) > ENTRIES:
            raise TooLong(f"The zip has more than {ENTRIES:,} entries.")
        text = next((entry for entry in entries if entry.filename.endswith(".txt")), None)
        if text is None:
            raise InvalidArgument("The zip contains no chat text.", "Give a zip exported by WhatsApp.")
        with _opened(packed, text, TEXT_BYTES) as opened:
            return _said(opened, frozenset(entry.filename for entry in entries))


def _said(opened: Any, names: frozenset[str]) -> list[ExportedMessage]:
    messages = read(_lines(opened), names)
    if not messages:
        raise InvalidArgument(
            "The file contains no messages of a WhatsApp export.", "Give the exported zip or txt."
        )
    return messages


def _lines(opened: Any) -> Iterator[str]:
    """The lines of a text, each cut to its limit.

    Raises:
        TooLong: There is more text than is read, whatever the zip says of its size.
    """
    text = io.TextIOWrapper(io.BufferedReader(_Counted(opened)), encoding="utf-8-sig", errors="replace")
    whole = True
    while line := text.readline(LINE):
        if whole:
            yield line
        whole = line.endswith("\n")


class _Counted(io.RawIOBase):
    """A text of which no more than so much is read."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened
        self._left = TEXT_BYTES

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer."""
        data = self._opened.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise _too_large(TEXT_BYTES)
        buffer[: len(data)] = data
        return len(data)


EXPORT_JOBS: Final[Mapping[str, Job]] = {
    "chat_authors": chat_authors,
    "chat_export": chat_export,
    "exported_file": exported_file,
}
"""The jobs, by name."""
