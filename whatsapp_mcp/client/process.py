"""The client process: the library, the journal and the pipes, put together."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import time
from base64 import b64encode
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NoReturn

import anyio

from whatsapp_mcp import storage
from whatsapp_mcp.client import calls, failures
from whatsapp_mcp.client.arguments import Arguments, Lists
from whatsapp_mcp.client.claim import FILE_NAME, ask_for_patience
from whatsapp_mcp.client.failures import KeysFailure, meaning, sentence_of
from whatsapp_mcp.client.fetching import Fetching
from whatsapp_mcp.client.journaling import EventJournaling
from whatsapp_mcp.client.library import VERSION, Library, NeonizeError
from whatsapp_mcp.client.pipes import listen_to_library
from whatsapp_mcp.client.protocol import (
    ENDED,
    EXIT_DONE,
    EXIT_NO_KEYS,
    JOURNALED,
    LOGIN_EVENT,
    MORE,
    QR,
    READY,
    STATE,
    STATE_EVENTS,
    STUCK,
    UNSTUCK,
    EventCode,
)
from whatsapp_mcp.errors import Busy, InvalidArgument, NotConnected, NotLinked, WhatsAppError
from whatsapp_mcp.processes.rpc import Params, Peer

_THREADS: Final = 64
"""Each call into the library holds one until Go answers, which may take minutes."""
_FIRST_QR_SECONDS: Final = 60.0
_NEXT_QR_SECONDS: Final = 20.0
"""Seconds that the library shows the first code, and each that follows (whatsmeow, `qrchan.go`)."""
_LEAVE_LIMIT: Final = 10.0
"""Seconds for leaving: `disconnect` is blocked while the library dials."""
_LOOK_AT_JOURNAL: Final = 0.25
"""Seconds between two looks whether an append is answered."""
_HANDLED_FIRST: Final = 0.15
"""Part of the time for leaving in which what has just come is handled first."""

_LEADER_MAY_STOP: Final = math.inf
"""A stopped leader reads on when it is continued; a dead one closes the pipe."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Announcements:
    """Notifications to the leader, in order; those about events are added in the event loop only."""

    notices: deque[tuple[str, Params]] = field(default_factory=deque)
    journaled: int = 0
    wake: anyio.Event = field(default_factory=anyio.Event)

    def add(self, method: str, params: Params) -> None:
        self.notices.append((method, params))
        self.wake.set()

    def add_event(self, seq: int, code: int, payload: bytes) -> None:
        self.journaled = max(self.journaled, seq)
        if code in STATE_EVENTS:
            self.add(STATE, {"seq": seq, "code": code, "payload": b64encode(payload).decode()})
        self.wake.set()

    async def run(self, peer: Peer) -> None:
        """Send them: notices in order, and one `JOURNALED` for all the events that no notice has named."""
        announced = 0
        while True:
            await self.wake.wait()
            # Before the queue is emptied: what is added while a frame is written wakes the next turn.
            self.wake = anyio.Event()
            while self.notices:
                method, params = self.notices.popleft()
                await peer.notify(method, params, deadline=_LEADER_MAY_STOP)
                if method == STATE:
                    announced = params["seq"]
            if self.journaled > announced:
                announced = self.journaled
                await peer.notify(JOURNALED, {"seq": announced}, deadline=_LEADER_MAY_STOP)


class ClientProcess:
    """One run of the library: answers the leader's calls and notifies it of what happens.

    Must be made within the event loop, and once a process: neonize knows one loop and one client.
    """

    def __init__(
        self,
        folder: Path,
        keys: storage.KeysAddress,
        journal: storage.JournalWriter,
        generation: int,
        device_name: str,
        history: Literal["recent", "full"],
    ) -> None:
        self._folder = folder
        self._loop = asyncio.get_running_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix="library"))
        self._announcements = _Announcements()
        self._journal_writer = EventJournaling(journal, generation, self._announce_event, self._announce)
        self._library = Library(
            keys,
            device_name,
            history,
            on_event=self._on_event,
            on_qr=self._on_qr,
            on_ended=self._on_ended,
            before_end=self._journal_writer.wait_quiet,
        )
        self._is_in_database = keys.in_database
        self._keys_failure = KeysFailure(keys)
        listen_to_library(self._on_login_event)
        self._fetching = Fetching(self._has_names)
        self._stays_until = 0.0
        self._lists = Lists()
        self._qr_count = 0
        self._logged_in = False
        self._logged_out = False
        self._stuck = anyio.Event()
        self._unstuck = anyio.Event()
        self._connection_calls: dict[str, Callable[[Arguments], Awaitable[Any]]] = {
            "connect": self._connect,
            "pair_phone": self._pair_phone,
            "disconnect": self._disconnect,
            "logout": self._logout,
            "is_connected": self._is_connected,
            "is_logged_in": self._is_logged_in,
            "exit": self._exit,
            MORE: self._more,
        }

    async def serve(self, peer: Peer) -> None:
        """Notify the leader of what happens until the pipes close."""
        symbols = sorted(self._library.symbols)
        ready: Params = {"pid": os.getpid(), "library": VERSION, "symbols": symbols}
        self._announcements.add(READY, ready)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._announcements.run, peer)
            tasks.start_soon(self._stay_away_while_stuck)
            if self._is_in_database:  # so is the journal; that of a file tells by itself
                tasks.start_soon(self._look_at_journal)
            await peer.wait_closed()
            tasks.cancel_scope.cancel()

    async def _look_at_journal(self) -> None:
        while True:
            await anyio.sleep(_LOOK_AT_JOURNAL)
            self._journal_writer.check_stuck()

    async def _stay_away_while_stuck(self) -> None:
        """Leave WhatsApp when the journal cannot be written, and end once it can.

        The library's keys are on the same disk. What it cannot decrypt without them it asks for again a few
        times within moments, then never; what comes while nobody is logged in waits at WhatsApp. What it has
        acknowledged already, and a database did not take, would be lost if that took none for longer.
        """
        await self._stuck.wait()
        with anyio.move_on_after(_LEAVE_LIMIT):
            await self._library.client.disconnect()
        await self._unstuck.wait()
        # What has been acknowledged waits behind the event that was stuck.
        await anyio.to_thread.run_sync(self._journal_writer.wait_quiet, abandon_on_cancel=True)
        self._announcements.add(ENDED, {"error": "Received events can be stored again."})

    def _on_event(self, code: int, payload: bytes) -> None:
        # Before the journal, which may wait for the disk: by then calls that would abort have to be refused.
        if code == EventCode.CONNECTED:
            self._logged_in, self._logged_out = True, False
        elif code == EventCode.LOGGED_OUT:
            self._logged_in, self._logged_out = False, True
        self._fetching.hear(code, payload)
        self._journal_writer.take(code, payload)

    def _announce_event(self, seq: int, code: int, payload: bytes) -> None:
        self._loop.call_soon_threadsafe(self._announcements.add_event, seq, code, payload)

    def _announce(self, method: str, params: Params) -> None:
        self._loop.call_soon_threadsafe(self._announcements.add, method, params)
        if method == STUCK:
            self._loop.call_soon_threadsafe(self._stuck.set)
        elif method == UNSTUCK:
            self._loop.call_soon_threadsafe(self._unstuck.set)

    def _on_qr(self, text: str) -> None:
        lifetime = _NEXT_QR_SECONDS if self._qr_count else _FIRST_QR_SECONDS
        self._qr_count += 1
        self._announcements.add(QR, {"text": text, "lifetime": lifetime})

    def _on_login_event(self, name: str) -> None:
        self._loop.call_soon_threadsafe(self._announcements.add, LOGIN_EVENT, {"name": name})

    def _on_ended(self, error: str) -> None:
        self._logged_in = False
        self._announcements.add(ENDED, {"error": error})

    async def call(self, method: str, params: Params) -> Any:
        """Answer a call of the leader: those about the connection here, all others from `calls.CALLS`."""
        arguments = Arguments(params, self._folder)
        try:
            return await self._answer(method, arguments)
        except WhatsAppError as error:
            cause = error.__cause__
            if isinstance(cause, NeonizeError) and self._keys_failure.is_told_by(sentence_of(cause)):
                # As in the library's log: whoever leads now goes on with what the keys say.
                with anyio.move_on_after(_LEAVE_LIMIT):
                    await anyio.to_thread.run_sync(self._journal_writer.wait_quiet, abandon_on_cancel=True)
                os._exit(EXIT_NO_KEYS)
            raise

    async def _answer(self, method: str, arguments: Arguments) -> Any:
        connection_call = self._connection_calls.get(method)
        if connection_call is None:
            self._need_login()
            return self._lists.first(await calls.run(self._library, method, arguments))
        try:
            return await connection_call(arguments)
        except NeonizeError as error:
            raise meaning(error) from error

    def _need_login(self) -> None:
        """Refuse what would make the Go side dereference a client or a device that is not there."""
        if not self._library.running:
            raise NotConnected(failures.NEVER_CONNECTED)
        if self._logged_out:
            raise NotLinked(failures.NO_PHONE)
        if not self._logged_in:
            raise NotConnected(failures.NOT_LOGGED_IN)

    async def _connect(self, arguments: Arguments) -> None:
        if self._library.running:
            raise Busy(failures.CONNECTED_ALREADY)
        self._qr_count = 0
        await self._library.connect(arguments.text("proxy", "") or None)

    async def _pair_phone(self, arguments: Arguments) -> str:
        digits = arguments.text("number").lstrip("+")
        if not digits.isdecimal():
            raise InvalidArgument(failures.NOT_INTERNATIONAL)
        if not self._library.running or self._logged_in:
            raise NotConnected(failures.NO_CODES_NOW)
        return await self._library.pair_phone(digits)

    async def _disconnect(self, arguments: Arguments) -> None:
        await self._library.client.disconnect()

    async def _logout(self, arguments: Arguments) -> None:
        self._need_login()
        await self._library.client.logout()
        self._logged_in, self._logged_out = False, True
        self._fetching.stop()

    async def _is_connected(self, arguments: Arguments) -> bool:
        return await self._library.client.is_connected

    async def _is_logged_in(self, arguments: Arguments) -> bool:
        return await self._library.client.is_logged_in

    async def _exit(self, arguments: Arguments) -> NoReturn:
        await self.end(arguments.number("drain", 0.0))

    async def _more(self, arguments: Arguments) -> dict[str, Any]:
        return self._lists.following(arguments.integer("number"))

    async def _has_names(self) -> bool:
        if not self._logged_in:
            return False
        try:
            contacts = await self._library.client.contact.get_all_contacts()
        except NeonizeError:
            return False
        return any(each.Info.FullName for each in contacts)

    @property
    def seconds_to_stay(self) -> float:
        """Seconds more that this process may outlive its leader, beyond `LEADER_GONE_SECONDS`."""
        return max(0.0, self._stays_until - time.monotonic())

    async def end(self, drain: float = 0.0) -> NoReturn:
        """End the process at once, or when the events on their way have been journaled.

        Args:
            drain: Seconds that may be taken to disconnect and wait for them.
        """
        if drain > 0 and self._library.running:
            # The library drops what it is handling when it is told to leave, and cannot read it again.
            await anyio.sleep(drain * _HANDLED_FIRST)
            if self._fetching.seconds_left:
                seconds = self._fetching.seconds_left + drain
                self._stays_until = time.monotonic() + seconds
                # Before the wait: the leader, or a successor, kills what has not asked for more time.
                ask_for_patience(Path(FILE_NAME), math.ceil(seconds))
                await self._fetching.finish()
            # Both may be blocked, by a dial and by a full disk; the thread that waits is left behind then.
            with anyio.move_on_after(drain * (1 - _HANDLED_FIRST)):
                await self._library.client.disconnect()
                await anyio.to_thread.run_sync(self._journal_writer.wait_quiet, abandon_on_cancel=True)
        os._exit(EXIT_DONE)
