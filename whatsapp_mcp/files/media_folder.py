"""Limits and file names of the folder `media` of an account."""

from __future__ import annotations

import mimetypes
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from whatsapp_mcp.errors import Busy, TooLong

MOST_FILES: Final = 50_000
"""Files that the folder takes."""
_MEGABYTE: Final = 1_000_000
_EXTENSION: Final = re.compile(r"\.[A-Za-z0-9]{1,8}")
_STARTED: Final = frozenset(
    """.action .app .appimage .applescript .apk .application .bash .bat .chm .cmd .com .command .cpl .csh .deb
    .desktop .dll .dmg .dylib .exe .fish .gadget .hta .img .inetloc .inf .ins .iso .isp .jar .jnlp .js
    .jse .ksh .lnk .mobileconfig .msc .msh .msi .msix .msp .osx .pif .pkg .prefpane .ps1 .psc1 .psm1
    .reg .rpm .run .scf .scpt .scr .sct .service .sh .shb .shs .so .terminal .tool .url .vb .vbe .vbs
    .vhd .vhdx .webloc .workflow .ws .wsc .wsf .wsh .xll .zsh""".split()
)
"""Extensions of files that a desktop runs or follows when a person opens them."""
_UNUSUAL: Final = frozenset(
    """.docx .docm .dotx .xlsx .xlsm .xltx .pptx .pptm .potx .odt .ods .odp .odg .epub .pages .numbers .key
    .kmz .cbz .3mf .sketch .usdz .pkpass .vsdx .xps .opus .m4v .mkv .webm .heic .avif .webp""".split()
)
"""Extensions that not every system knows, of documents that are ZIP archives inside and of newer media."""


def recorded_file(media: Path, recorded: str) -> Path:
    """Return the path of a recorded file: in `media`, whatever its folder was called then.

    A downloaded file is recorded with its whole path, so that others can open it, an imported one by its
    name. The folder above it may have moved since, with a backup or to another computer.
    """
    return media / Path(recorded).name


class FolderLimits(Protocol):
    """Limits of the folder, as the person sets them, in megabytes (`[media]`)."""

    @property
    def max_megabytes(self) -> int:
        """At most, of one file."""
        ...

    @property
    def total_megabytes(self) -> int:
        """At most, of all files."""
        ...

    @property
    def free_megabytes(self) -> int:
        """Megabytes that stay free on the disk."""
        ...


class FolderUsage(NamedTuple):
    """Usage of a folder: number of files, and bytes in all."""

    files: int
    bytes: int


def used(folder: Path) -> FolderUsage:
    """Return the number of files in the folder, and their bytes."""
    sizes = [*_files(folder)]
    return FolderUsage(len(sizes), sum(sizes))


def require_room(
    folder: Path, size: int, limits: FolderLimits, held: FolderUsage | None = None
) -> FolderUsage:
    """Refuse a file for which the folder or its disk has no room left; answers what it holds with the file.

    Args:
        folder: The folder.
        size: Bytes of the file.
        limits: The person's.
        held: What the folder holds, for who adds many files and counts them; None: it is looked at.

    Raises:
        TooLong: It is larger than `media.max_megabytes`.
        Busy: The folder is full (`media.total_megabytes`, `MOST_FILES`), or the disk nearly
            (`media.free_megabytes`).
    """
    if size > limits.max_megabytes * _MEGABYTE:
        raise TooLong(
            f"The file has {size / _MEGABYTE:.0f} MB, and at most {limits.max_megabytes} are taken.",
            "Tell the user: it can be opened on the phone, or media.max_megabytes be raised.",
        )
    count, total = used(folder) if held is None else held
    if count >= MOST_FILES or total + size > limits.total_megabytes * _MEGABYTE:
        raise Busy(
            f"The folder of files is full: {count} files, {total / _MEGABYTE:.0f} MB.",
            f"Tell the user to delete files in {folder}, or to raise media.total_megabytes.",
        )
    if shutil.disk_usage(folder).free - size < limits.free_megabytes * _MEGABYTE:
        raise Busy(
            "The disk has too little room left for the file.",
            "Tell the user to free space on it, or to lower media.free_megabytes.",
        )
    return FolderUsage(count + 1, total + size)


def safe_name(ref: int, given: str | None, mime_type: str | None, detected_type: str | None) -> str:
    """A harmless name for the file of a message: its ref, and an extension that says what it is.

    Args:
        ref: The message.
        given: The name that its sender gave it, of which at most the extension stays.
        mime_type: What the sender says it is.
        detected_type: What its content shows it to be; None where that is not known.
    """
    suffix = Path(given).suffix.lower() if given else ""
    claimed = mimetypes.guess_type(f"x{suffix}")[0] or "unknown"
    if (
        detected_type
        and detected_type.partition("/")[0] != claimed.partition("/")[0]
        and suffix not in _UNUSUAL
    ):
        suffix = mimetypes.guess_extension(detected_type) or suffix
    if not _EXTENSION.fullmatch(suffix):
        suffix = mimetypes.guess_extension((mime_type or "").partition(";")[0].strip()) or ".bin"
    # The last extension decides what a desktop does; the one before still tells a person what it is.
    return f"{ref}{suffix}.bin" if suffix in _STARTED else f"{ref}{suffix}"


def _files(folder: Path) -> Iterator[int]:
    """The sizes of all files below a folder; none is followed out of it."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _files(Path(entry.path))
                else:
                    with suppress(FileNotFoundError):  # one that went meanwhile
                        yield entry.stat(follow_symlinks=False).st_size
    except OSError:
        return
