"""The settings of `config.toml` as it is now."""

from __future__ import annotations

import logging
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.settings.loading import FileVersion, config_text, file_version, parse
from whatsapp_mcp.settings.sections import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

_OF_ACCOUNT: Final = re.compile(r"accounts\.([^.]+)\.")
"""Start of an error about one account's sections."""
_ELSEWHERE: Final = "config.toml is not valid; the log says why."
_STAY: Final = "The previous settings stay in force until it is corrected."

_TICK_NS: Final = 2_000_000_000
"""Nanoseconds after which a further change of a file gives it other times; FAT counts two seconds."""

logger = logging.getLogger(__name__)


class CurrentSettings:
    """The settings of an account, read again whenever the text of `config.toml` has changed.

    A file that cannot be used leaves in force what was before. So does one that is empty or gone, as it is
    for a moment while many editors write it: else every rule would be lifted for that moment. An account with
    a text of its own has no settings before that text is understood: its policy and its proxy stand there.

    Args:
        settings: Those of all accounts, as they were when the process started.
        account: Whose own sections count.
        own: What the text of the account's own is, where that is kept elsewhere; it is asked at each
            look, so it answers at once. None where `config.toml` says everything.

    Attributes:
        fault: Why the file that is there is not in force; None when it is. Agents are told, so it says
            nothing of another account.
    """

    def __init__(
        self, settings: Settings, account: str = "default", own: Callable[[], str] | None = None
    ) -> None:
        self._settings = settings
        self._account = account
        self._own = own
        self._texts: tuple[str, str] | None = None
        self._version: FileVersion | None = None
        self._read_text = ""
        self._is_from_file = False
        self._has_own = False
        self.fault: str | None = None

    def now(self) -> Settings:
        """The settings that are in force; reads the file.

        Raises:
            InvalidArgument: The account's own text was never one that can be used.
        """
        try:
            texts = self._text(), self._own() if self._own else ""
            if texts != self._texts:
                self._take(*texts)
                self._texts = texts
        except InvalidArgument as error:
            self._texts = None
            self._keep(error.message)
            if self._own is not None and not self._has_own:
                raise
        return self._settings.for_account(self._account)

    def check(self) -> str | None:
        """Read the file and return its fault; None if it is in force."""
        with suppress(InvalidArgument):
            self.now()
        return self.fault

    def _text(self) -> str:
        """The text of `config.toml`; read only if the file can have changed, since a send asks ten times."""
        version = file_version(self._settings.home / "config.toml")
        if version is None or version != self._version:
            self._read_text = config_text(self._settings.home)
            # Two changes within a tick of the clock leave the same times, so those of a file that has just
            # changed prove nothing yet (git calls such an entry racy).
            is_settled = version is not None and time.time_ns() - version.newest_ns > _TICK_NS
            self._version = version if is_settled else None
        return self._read_text

    def _take(self, text: str, own: str) -> None:
        is_empty = not text.strip()
        if is_empty and self._is_from_file:
            raise InvalidArgument(f"{self._settings.home / 'config.toml'} is empty or gone.")
        if is_empty and self._own is None:
            return
        own_texts = {self._account: own} if self._own else None
        self._settings = parse(self._settings.home, text, own_texts, type(self._settings))
        self._is_from_file, self._has_own = not is_empty, True
        self.fault = None

    def _keep(self, reason: str) -> None:
        whole = f"{reason} {_STAY}"
        match = _OF_ACCOUNT.match(reason)
        fault = whole if match is None or match[1] == self._account else f"{_ELSEWHERE} {_STAY}"
        if fault != self.fault:
            logger.error("settings: %s", whole)
        self.fault = fault
