"""The output and the end of a command: text on a terminal, the next step after a failure, and its exit code.

Errors and states are written for agents and name tools; a person at a shell is told commands instead.
"""

from __future__ import annotations

import io
import os
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from datetime import datetime
from enum import IntEnum
from itertools import zip_longest
from typing import IO, Final

from whatsapp_mcp.errors import InvalidArgument, WhatsAppError

_COLUMNS: Final = 80
"""Columns of a terminal that does not report its width."""
_RIGHT_TO_LEFT: Final = frozenset({"R", "AL"})
"""Bidirectional classes of letters: Hebrew and the like, and Arabic (UAX 9)."""
_FIRST_STRONG_ISOLATE, _POP_ISOLATE = "\u2068", "\u2069"
_BIDI_CONTROLS: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
_FOR_AN_AGENT: Final = re.compile(r"(?<![./\\\w])[a-z]+(?:_[a-z]+)+\b(?![./\\]\w)|\bcall\b|\bthe user\b")
"""Names of tools (all but `reconnect` and `react`, which are called), calls, and talk of the user.

Beside a dot or slash it is a part of a setting (`server.public_url`) or of a path.
"""
_TELL: Final = "Tell the user to "
_COMMANDS: Final = {
    "NOT_LINKED": "Run `whatsapp-mcp link`.",
    "unlinked": "Run `whatsapp-mcp link`.",
    "replaced": "Close the other client of the session, then run `whatsapp-mcp reconnect`.",
    "INVALID_ARGUMENT": "Correct it and run the command again.",
    "CHAT_NOT_FOUND": "Give the phone number with its country code, or the whole name.",
    "AMBIGUOUS_CHAT": "Give the number or jid of the one you mean, or its whole name.",
}
"""By error code or connection state."""
_OTHERWISE: Final = "See `whatsapp-mcp status`."
RECOVER: Final = (
    "Restore it from a backup (docs/backup.md), or run `whatsapp-mcp archive recover`, which makes a new one"
    " of what can be read."
)
"""Advice for a damaged archive."""


def write_utf8() -> None:
    r"""Let this process write UTF-8 to stdout and stderr, whatever the locale or a Windows code page says.

    Names are of every script, and a program that reads JSON expects it. What cannot be encoded at all, half
    of a character in the name of a file, is written as `\udc80`.
    """
    for stream in (sys.stdout, sys.stderr):
        # None is what Python makes of a closed one.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells in columns, two spaces apart; a wide character counts as two, a combining one as none.

    Widths are those of `rich.cells`, which follow the Unicode character database.
    """
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in zip_longest(*rows, fillvalue="")]
    lines = (
        [cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=False)]
        for row in rows
    )
    return "\n".join("  ".join(line).rstrip() for line in lines)


def fitted(text: str, stream: IO[str]) -> str:
    """Return as much of the text as fits into one line of the terminal that a stream writes to."""
    from rich.cells import chop_cells

    columns = os.get_terminal_size(stream.fileno()).columns or _COLUMNS
    # The last column stays free: some terminals go to the next line when it is written.
    return next(iter(chop_cells(text, columns - 1)), "")


def shown(text: str, stream: IO[str]) -> str:
    """The text as it is written to a stream: for a terminal, right-to-left words are isolated."""
    return isolated(text) if stream.isatty() else text


def isolated(text: str) -> str:
    """The text with each right-to-left passage between isolates (Unicode UAX 9).

    Without them such a name draws the number behind it to its other side, and a line that begins with it is
    turned round as a whole. Bidi controls that are there already are taken out: one of them could end ours.
    """
    if text.isascii():
        return text
    return "".join(_isolated(_BIDI_CONTROLS.sub("", text)))


def _isolated(text: str) -> Iterator[str]:
    start = end = 0
    for index, char in enumerate(text):
        direction = unicodedata.bidirectional(char)
        if direction in _RIGHT_TO_LEFT:
            if start == end:
                yield text[end:index]
                start = index
            end = index + 1
        elif direction == "NSM" and end == index and start < end:  # a vowel sign belongs to its letter
            end = index + 1
        elif start < end and (direction in {"L", "EN", "B"}):
            # Spaces and punctuation do not end a passage: the words of a name belong together.
            yield f"{_FIRST_STRONG_ISOLATE}{text[start:end]}{_POP_ISOLATE}"
            start = end
    if start < end:
        yield f"{_FIRST_STRONG_ISOLATE}{text[start:end]}{_POP_ISOLATE}"
    yield text[end:]


program_name: Final = ContextVar("program_name", default="whatsapp-mcp")
"""The program that runs: another one may have all of the commands."""


def advice(kind: str, action: str, account: str = "default") -> str:
    """Return the next step for the person, in commands.

    Args:
        kind: The error's code, or the connection's state.
        action: What the error or the state recommends.
        account: The account that the commands have to name.
    """
    next_step = action.removeprefix(_TELL)
    # What stands in backquotes is a shell command already.
    if _FOR_AN_AGENT.search(re.sub(r"`[^`]*`", "", next_step)):
        next_step = _COMMANDS.get(kind, _OTHERWISE)
    return for_account(next_step[:1].upper() + next_step[1:], account)


def for_account(text: str, account: str) -> str:
    """The text, with its commands in backquotes as they are run here.

    Each is one of the program that runs, which may be another with the same commands, and names the account
    if it takes one and does not name it.
    """
    if account != "default":
        text = re.sub(r"`(whatsapp-mcp (?!doctor\b)[^`]*)`", rf"`\1 --account {account}`", text)
    return text.replace("`whatsapp-mcp ", f"`{program_name.get()} ")


class ExitCode(IntEnum):
    """The exit codes of `whatsapp-mcp`."""

    OK = 0
    FAILED = 1
    """The command failed or was declined, or what it asked about is not ready."""
    USAGE = 2
    """An option, an argument, a setting or the home folder cannot be used; nothing was done."""
    INTERRUPTED = 130
    """Ctrl-C, as shells have it."""


def exit_code(error: WhatsAppError) -> ExitCode:
    """The exit code of a command that ends with this error."""
    return ExitCode.USAGE if isinstance(error, InvalidArgument) else ExitCode.FAILED


def print_error(error: WhatsAppError, account: str = "default") -> None:
    """One line on stderr: what happened, then what to do, as shell commands for this account."""
    said = error.message
    if error.candidates:
        from whatsapp_mcp.server.calls import candidate_text

        offered = [text for each in error.candidates if (text := candidate_text(each))]
        said = f"{said.removesuffix('.')}: {'; '.join(offered)}."
    line = f"Error: {said} {advice(error.code, error.action, account)}\n"
    sys.stderr.write(shown(line, sys.stderr))


def rfc3339(moment: datetime) -> str:
    """A time for programs, with its zone."""
    return moment.isoformat(timespec="seconds")
