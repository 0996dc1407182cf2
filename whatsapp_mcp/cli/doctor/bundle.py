"""The report for an issue: what the checks found, with everything taken out that tells who somebody is.

Three nets, each for what the one before lets through: the texts of errors, which may quote a person, are
left out or lose what they quote; every value that this computer and the settings are known to hold is
replaced; and so is whatever has the form of an address, a number, a path or a key.
"""

from __future__ import annotations

import getpass
import os
import platform
import re
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from pydantic import SecretStr

from whatsapp_mcp import settings as settings_module
from whatsapp_mcp.cli.doctor.finding import Finding
from whatsapp_mcp.cli.outcome import aligned
from whatsapp_mcp.errors import WhatsAppError

_QUOTED: Final = re.compile(r"(?<!\w)(?:'(?:\\.|[^'\\]){0,2000}'|\"(?:\\.|[^\"\\]){0,2000}\")")
"""Quoted part of an error: words that a person wrote."""
_FORMS: Final = (
    (re.compile(r"(?<!\S)\S+@\S+"), "<address>"),
    (re.compile(r"\b[a-z][a-z0-9+.-]{0,30}://\S+"), "<url>"),
    (re.compile(r"(?<![\w.<])(?:[A-Za-z]:\\|\\\\|/)[^\s,;:]+"), "<path>"),
    (
        re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|\b[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){3,7}\b", re.IGNORECASE),
        "<ip>",
    ),
    (re.compile(r"\+\d[\d\s().\-/]{4,}\d|\b(?!\d{4}-\d\d-\d\d\b)\d[\d\s().\-/]{6,}\d"), "<number>"),
    (re.compile(r"[A-Za-z0-9+/_=-]{24,}"), "<secret>"),
)
_LINE: Final = re.compile(r"line \d+")
"""Part of such a failure that is told: the number of a line quotes nobody."""
_UNTOLD: Final = frozenset({"settings", "encryption"})
"""Checks whose failures quote files."""
_OURS: Final = re.compile(r"[a-z_,]*")
"""Words that a setting chooses from, such as a mode."""
_COMMON: Final = frozenset({"default", "localhost", "root", "user"})
"""Names that say nothing about anybody."""
_HEAD = "whatsapp-mcp doctor: a report without names, numbers, messages, paths of yours, tokens and keys"


@dataclass(frozen=True, slots=True)
class Redactor:
    """Knows what may not be told.

    Attributes:
        known: Values that are replaced wherever they stand, each with what takes its place.
        accounts: The accounts' names, in an order; a person may have called one after somebody.
    """

    known: Mapping[str, str] = field(default_factory=dict[str, str])
    accounts: tuple[str, ...] = ()

    @classmethod
    def here(cls) -> Self:
        """Make a redactor of the values that this computer and the settings hold."""
        known = {str(Path.home()): "~", _user(): "<user>", socket.gethostname(): "<host>"}
        known[str(Path(sys.prefix))] = "<python>"
        home = os.environ.get(settings_module.HOME_VARIABLE)
        if home:
            known[str(Path(home).expanduser().absolute())] = "<home>"
        accounts: tuple[str, ...] = ()
        try:
            loaded = settings_module.load()
        except WhatsAppError:
            return cls(known)
        known[str(loaded.home)] = "<home>"
        accounts = tuple(sorted({*loaded.accounts(), *loaded.accounts_with_settings}))
        dumped = [each.model_dump() for each in (loaded, *map(loaded.for_account, accounts))]
        known |= {value: "<setting>" for value in _texts(dumped) if value not in known}
        return cls(known, accounts)

    def name_of(self, finding: Finding) -> str:
        """The check, with the account's number in place of its name."""
        if finding.account is None:
            return finding.name
        return f"{finding.name} [{self._alias(finding.account)}]"

    def detail_of(self, finding: Finding) -> str:
        """Return what the check found, without private data."""
        if not finding.ok and finding.name in _UNTOLD:
            line = _LINE.search(finding.detail)
            return f"failed ({line[0]})" if line else "failed"
        return self.redacted(finding.detail)

    def redacted(self, text: str) -> str:
        """A text without what is private."""
        text = _QUOTED.sub("'…'", text)
        # The longest first: the value of one may be the beginning of another, as a folder is of its files.
        for value in sorted(self.known, key=len, reverse=True):
            if len(value) > 1 and value not in _COMMON:
                # By a function: in a text to insert, a backslash would name a group.
                text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", lambda _, to=self.known[value]: to, text)
        for name in sorted(self.accounts, key=len, reverse=True):
            if name not in _COMMON:
                text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", self._alias(name), text)
        for form, instead in _FORMS:
            text = form.sub(instead, text)
        return text

    def _alias(self, account: str) -> str:
        if account in _COMMON:
            return account
        return f"account {self.accounts.index(account) + 1}" if account in self.accounts else "account"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # in a container whose user no file names
        return ""


def _texts(value: Any) -> Iterator[str]:
    """Every path, secret and free text among the settings; not what is chosen from a few words of ours."""
    if isinstance(value, Mapping):
        value = value.values()
    if isinstance(value, SecretStr):
        yield from _parts(value.get_secret_value())
    elif isinstance(value, Path):
        yield str(value)
    elif isinstance(value, str):
        if not _OURS.fullmatch(value):
            yield from _parts(value)
    elif isinstance(value, Iterable):
        for each in value:
            yield from _texts(each)


def _parts(text: str) -> Iterator[str]:
    """A text, and what a URL is made of: an error may name the host alone."""
    yield text
    if "://" in text:
        with suppress(ValueError):
            parts = urlsplit(text)
            yield from filter(None, (parts.hostname, parts.username, parts.password))


def report(findings: Sequence[Finding], redactor: Redactor | None = None) -> str:
    """The text.

    Args:
        findings: What the checks found.
        redactor: Takes out what is private; None knows this computer and its settings.
    """
    redact = redactor or Redactor.here()
    rows = [(_mark(finding), redact.name_of(finding), redact.detail_of(finding)) for finding in findings]
    return f"{_HEAD}\n\n{_system()}\n\n{aligned(rows)}\n"


def _mark(finding: Finding) -> str:
    if not finding.ok:
        return "FAIL"
    return "note" if finding.action else "ok"


def _system() -> str:
    """The system, by words that many computers have in common."""
    libc = " ".join(platform.libc_ver()).strip()
    parts = [platform.system(), platform.release(), platform.machine(), libc, f"{os.cpu_count()} CPUs"]
    return "system: " + ", ".join(part for part in parts if part)
