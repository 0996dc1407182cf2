"""neonize, loaded and set up: the one module that knows its insides (0.5.2).

Importing it loads a Go library that prints to fd 1, so the pipes must have been taken aside before. neonize
is hardly typed; here is where that ends.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any, Literal

if sys.platform != "win32":
    # Brings the libmagic that neonize imports, for systems that have none; must come first.
    import pylibmagic  # pyright: ignore[reportUnusedImport] # noqa: F401

try:
    from neonize._binder import ProxySettings, func_callback_bytes2, gocode
except RuntimeError as error:  # what its loader makes of `import_blocker.py` refusing to fetch another
    raise ImportError(
        "neonize's shared library is not of the version that its modules need: install whatsapp-mcp again"
    ) from error
from neonize.aioze import client as neonize_client
from neonize.aioze.client import NewAClient
from neonize.events import INT_TO_EVENT
from neonize.exc import NeonizeError
from neonize.utils.enum import (
    BlocklistAction,
    ChatPresence,
    ChatPresenceMedia,
    ClientName,
    ClientType,
    MediaType,
    ParticipantChange,
    Presence,
    ReceiptType,
)

from whatsapp_mcp.client.failures import KeysFailure
from whatsapp_mcp.client.protocol import EXIT_NO_KEYS
from whatsapp_mcp.processes.capabilities import SYMBOLS
from whatsapp_mcp.protobufs import CompanionReg, Neonize
from whatsapp_mcp.protobufs.bounded import parsed
from whatsapp_mcp.storage import KeysAddress
from whatsapp_mcp.text.redaction import without_credentials

__all__ = [
    "VERSION",
    "BlocklistAction",
    "ChatPresence",
    "ChatPresenceMedia",
    "Library",
    "MediaType",
    "NeonizeError",
    "ParticipantChange",
    "Presence",
    "ReceiptType",
    "exported",
    "make_tables",
    "set_privacy_setting",
]

VERSION = version("neonize")

_take_log_entry: Callable[[int, int], None] = neonize_client.log_whatsmeow
"""neonize's own function, which logs the line: `Library` puts `_log` in its place."""

_UUID = "client"
"""The name of the client on the Go side. A process has one client, so the name need not differ."""
_FILE_OPTIONS = "?_journal_mode=WAL&_synchronous=FULL&_foreign_keys=on&_rest="
"""Options with which a database that is a file is written.

The library makes "file:{name}?_foreign_keys=on" of it, which its driver (go-sqlite3) takes apart at the first
question mark. With a log each commit waits for the disk once; with a rollback journal, which is what the
library has otherwise, three times. `FULL`, since with a log the driver would not wait for the disk at all by
itself, and the newest keys could be lost with the power.
"""
_FULL_HISTORY_DAYS = 3650
_FULL_HISTORY_MEGABYTES = 100_000

OnEvent = Callable[[int, bytes], None]
OnQr = Callable[[str], None]
OnEnded = Callable[[str], None]


def _device_props(device_name: str, history: Literal["recent", "full"]) -> CompanionReg.DeviceProps:
    """Return the companion's introduction: its name on the phone and how much history it asks for."""
    props = CompanionReg.DeviceProps(
        os=device_name,
        platformType=CompanionReg.DeviceProps.DESKTOP,
        requireFullSync=history == "full",
    )
    if history == "full":
        props.historySyncConfig.fullSyncDaysLimit = _FULL_HISTORY_DAYS
        props.historySyncConfig.fullSyncSizeMbLimit = _FULL_HISTORY_MEGABYTES
        props.historySyncConfig.storageQuotaMb = _FULL_HISTORY_MEGABYTES
    return props


def _database(keys: KeysAddress) -> str:
    """The library's name of its database."""
    return keys.location if keys.in_database else f"{keys.location}{_FILE_OPTIONS}"


def make_tables(keys: KeysAddress) -> None:
    """Make the tables of a database, or bring them to the version of this library; for a process of its own.

    The library does so whenever it opens one, here to list its devices. What it makes of a database that it
    cannot open, an error or the end of this process, is not defined: see whether the tables are there.
    """
    gocode.GetAllDevices(_database(keys).encode(), func_callback_bytes2(_ignore_line))


def _ignore_line(address: int, size: int) -> None:
    """Take a line of the library's log, which may name what it has read."""


def exported() -> frozenset[str]:
    """Return the members of `SYMBOLS` that the shared library has."""
    return frozenset(symbol for symbol in SYMBOLS if hasattr(gocode, symbol))


def _log(failure: KeysFailure, before_end: Callable[[], None], address: int, size: int) -> None:
    """Take a line of the library's log, before the library goes on.

    If its database failed, the process ends here: before a message that could not be decrypted is
    acknowledged, and before one is out that nobody could find again.
    """
    line = parsed(Neonize.LogEntry, ctypes.string_at(address, size)).Message
    if failure.is_told_by(line):
        before_end()
        os._exit(EXIT_NO_KEYS)
    _take_log_entry(address, size)


class Library:
    """The one client of this process.

    Args:
        keys: Where its database is; a file lies in the working folder.
        device_name: How the phone lists this companion.
        history: How much of the past the phone is asked for, at linking.
        on_event: Called with each event's code and protobuf in one of the library's own threads; the library
            goes on when it returns. It must not raise.
        on_qr: Called in the loop with each QR text.
        on_ended: Called in the loop with the reason when the library's event pump has ended.
        before_end: Called in one of the library's own threads before the process ends because the database
            failed; what has been acknowledged is journaled when it returns.

    Attributes:
        client: neonize's client.
        version: Of neonize.
        symbols: What it exports of `capabilities.SYMBOLS`.
    """

    def __init__(
        self,
        keys: KeysAddress,
        device_name: str,
        history: Literal["recent", "full"],
        *,
        on_event: OnEvent,
        on_qr: OnQr,
        on_ended: OnEnded,
        before_end: Callable[[], None],
    ) -> None:
        logging.getLogger("neonize.utils.log").setLevel(logging.WARNING)  # the Go side takes this level too
        # It warns that ffmpeg is missing, which nothing here uses.
        logging.getLogger("neonize.utils.ffmpeg").setLevel(logging.ERROR)
        # Whole object kept for the life of the process: collecting it would stop the Go client of this uuid.
        self.version, self.symbols = VERSION, exported()
        self.client: Any = NewAClient(_database(keys), props=_device_props(device_name, history), uuid=_UUID)
        self._on_ended = on_ended
        # Before `connect`, which hands the Go side whatever function stands under this name then.
        neonize_client.log_whatsmeow = partial(_log, KeysFailure(keys), before_end)
        self._task: asyncio.Task[None] | None = None

        def execute(uuid: int, address: int, size: int, code: int) -> None:
            on_event(code, ctypes.string_at(address, size))

        async def show(client: Any, text: bytes) -> None:
            on_qr(text.decode())

        self.client.event.execute = execute
        # Only the keys matter: they are the subscription, every event this version can decode.
        self.client.event.list_func = dict.fromkeys(INT_TO_EVENT)
        self.client.qr(show)

    @property
    def running(self) -> bool:
        """True if a connect was started and its pump has not ended."""
        return self._task is not None and not self._task.done()

    async def connect(self, proxy: str | None = None) -> None:
        """Start connecting and return; the outcome comes as events, QR texts or `on_ended`.

        Args:
            proxy: URL of the proxy for the connection and for files, else that of the environment
                (`HTTPS_PROXY`, `NO_PROXY`).
        """
        task: asyncio.Task[None] = await self.client.connect(ProxySettings(proxy) if proxy else None)
        task.add_done_callback(self._ended)
        self._task = task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            error = task.exception()
            self._on_ended(
                without_credentials(str(error)) if error else "the client library stopped its event pump"
            )

    async def pair_phone(self, digits: str) -> str:
        """A pairing code for the phone of this number; only while QR texts are shown."""
        # WhatsApp accepts only names of the form "Browser (System)".
        return await self.client.PairPhone(digits, True, ClientName.LINUX, ClientType.CHROME)


async def set_privacy_setting(name: str, value: str) -> Neonize.PrivacySettings:
    """Change one privacy setting; neonize's own method takes the answer's protobuf for an error text.

    Raises:
        NeonizeError: WhatsApp refused.
    """
    answer = await asyncio.to_thread(gocode.SetPrivacySetting, _UUID.encode(), name.encode(), value.encode())
    result = parsed(Neonize.SetPrivacySettingReturnFunction, answer)
    if result.Error:
        raise NeonizeError(result.Error)
    return result.settings
