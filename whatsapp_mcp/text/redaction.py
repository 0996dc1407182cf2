"""Keeps what people wrote, keys and tokens out of every log of this package's processes."""

from __future__ import annotations

import logging
import re
import sqlite3
import traceback
from types import TracebackType
from typing import Final

_PACKAGES: Final = ("whatsapp_mcp", "whatsapp_fleet", "whatsapp_simulator")
"""Packages of this project, whichever are loaded."""
_WITHOUT_CONTENT: Final = (OSError, sqlite3.Error)
"""Exceptions that speak of files and databases only; the text of any other may quote a message."""
_CHAIN_LIMIT: Final = 10
"""Exceptions of one chain, or levels of groups, that an entry shows."""
_CREDENTIALS: Final = re.compile(r"(?<=://)[^\s/@]*@")
_DOMAIN: Final = r"(?:s\.whatsapp\.net|c\.us|g\.us|lid|newsletter|broadcast|hosted(?:\.lid)?)"
_PRIVATE: Final = (
    (re.compile(rf"\b\d[\d.:_-]{{0,40}}@{_DOMAIN}\b"), "<jid>"),
    (re.compile(r"(?<!\w)\+\d{7,15}\b"), "<number>"),
    (re.compile(r"\bwamcp_[\w-]+"), "<token>"),
)
"""Addresses, phone numbers and our tokens. No entry is meant to hold one; what slips in does not get out."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
"""Characters that would begin another entry, or steer a terminal."""

_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def set_levels(level: str) -> None:
    """Log this project from `level` on and libraries from warnings on.

    Below that the MCP SDK and its transports log whole messages and session ids.
    """
    ours = [logging.getLogger(name) for name in _PACKAGES]
    for logger in ours:
        logger.setLevel(level.upper())
    logging.getLogger().setLevel(max(logging.WARNING, ours[0].level))


def describe(error: BaseException) -> str:
    """The type of an exception, with its text where that cannot quote a message."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"{name}: {error}" if isinstance(error, _WITHOUT_CONTENT) else name


def without_credentials(text: str) -> str:
    """The text with what stands before the `@` of its URLs left out: a proxy's user name and password."""
    return _CREDENTIALS.sub("", text)


class RedactingFormatter(logging.Formatter):
    """Writes tracebacks without the texts of exceptions, and no credentials of URLs, addresses or numbers."""

    def format(self, record: logging.LogRecord) -> str:
        """The entry."""
        text = without_credentials(super().format(record))
        for form, instead in _PRIVATE:
            text = form.sub(instead, text)
        return text

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the name is logging's
        """The first line of the entry, alone: nothing that a record quotes begins another entry."""
        return _CONTROL.sub(_escaped, super().formatMessage(record))

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802  the name is logging's
        """Return the type of an exception and where it was raised, causes first."""
        return "" if ei[1] is None else "".join(_lines(ei[1], _CHAIN_LIMIT)).rstrip()


def _escaped(control: re.Match[str]) -> str:
    return control[0].encode("unicode_escape").decode()


def _lines(error: BaseException, limit: int) -> list[str]:
    if limit == 0:
        return []
    lines: list[str] = []
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if earlier is not None:
        lines += [*_lines(earlier, limit - 1), "Then:\n"]
    lines += [*traceback.format_tb(error.__traceback__), f"{describe(error)}\n"]
    if isinstance(error, BaseExceptionGroup):
        parts: tuple[BaseException, ...] = error.exceptions  # pyright: ignore[reportUnknownMemberType]
        for part in parts:
            lines += ["Within:\n", *_lines(part, limit - 1)]
    return lines
