"""Drives the real, unmodified neonize in a child process."""

from __future__ import annotations

import base64
import itertools
import json
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import anyio
import anyio.abc
from anyio.streams.buffered import BufferedByteReceiveStream
from google.protobuf import symbol_database

from whatsapp_mcp import protobufs
from whatsapp_simulator import WhatsApp

_PROGRAM = Path(__file__).with_name("neonize_process.py")
_OTHERS = ""
_SERIES: tuple[str, ...] = ("Message", _OTHERS)
"""What events are waited for apart from each other."""


class HasEnvironment(Protocol):
    """A simulated WhatsApp, in this process or in another."""

    def environment(self) -> dict[str, str]:
        """The environment variables for a client."""
        ...


class CallError(Exception):
    """The call raised in the client process."""


@dataclass(frozen=True)
class Event:
    """One event of the library: its protobuf's name and message, or the fields of the child's own events."""

    name: str
    message: Any = None
    fields: dict[str, Any] = field(default_factory=dict[str, Any])


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(each) for each in value]
    if isinstance(value, dict) and "bytes" in value:
        return base64.b64decode(value["bytes"])
    if isinstance(value, dict):
        kind = symbol_database.Default().GetSymbol(value["proto"])
        return kind.FromString(base64.b64decode(value["data"]))
    return value


class NeonizeClient:
    """One client process. It queues events; `wait` returns the next one that matches."""

    def __init__(self, process: anyio.abc.Process, database: Path) -> None:
        self._process = process
        self._database = database
        self._log = database.with_suffix(".log")
        self._numbers = itertools.count(1)
        self._answers: dict[int, dict[str, Any]] = {}
        self._changed = anyio.Event()
        self._positions = dict.fromkeys(_SERIES, 0)
        self.events: list[Event] = []

    @property
    def library_log(self) -> str:
        """The library's standard error so far."""
        return self._log.read_text()

    async def flush_log(self) -> None:
        """Wait until everything that the library has logged so far is in its log file."""
        if self._process.returncode is None:
            await self.call("log_queue.join()")

    def forget_events(self) -> None:
        """Discard every event so far."""
        self.events.clear()
        self._positions = dict.fromkeys(_SERIES, 0)

    async def read(self) -> None:
        """Read the output of the process, until it ends."""
        assert self._process.stdout is not None
        stream = BufferedByteReceiveStream(self._process.stdout)
        try:
            while True:
                fields = json.loads(await stream.receive_until(b"\n", 1 << 26))
                if "answer" in fields:
                    self._answers[fields["answer"]] = fields
                elif "data" in fields:
                    kind = getattr(protobufs.Neonize, fields["event"])
                    self.events.append(
                        Event(fields["event"], kind.FromString(base64.b64decode(fields["data"])))
                    )
                else:
                    self.events.append(Event(fields["event"], fields=fields))
                self._notify()
        except (anyio.EndOfStream, anyio.IncompleteRead):
            self.events.append(Event("exit"))
            self._notify()

    def _notify(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def connect(self) -> None:
        """Start connecting; events report the result."""
        await self._send(connect=True)

    async def call(self, source: str, timeout: float = 30) -> Any:
        """Evaluate an expression in the process (`client`, `jid`, `E2E` ... are in scope).

        Raises:
            CallError: It raised there.
        """
        number = next(self._numbers)
        await self._send(call=number, source=source)
        with anyio.fail_after(timeout):
            while number not in self._answers:
                await self._changed.wait()
        answer = self._answers.pop(number)
        if "error" in answer:
            raise CallError(answer["error"])
        return _decode(answer["value"])

    async def eventually(self, source: str, fits: Callable[[Any], bool], timeout: float = 30) -> Any:
        """Evaluate an expression repeatedly until its value matches; return the value."""
        with anyio.fail_after(timeout):
            while not fits(value := await self.call(source)):
                pass
        return value

    async def wait(
        self, name: str, where: Callable[[Any], bool] = lambda _: True, timeout: float = 30
    ) -> Any:
        """The next event called `name` for which `where` holds; earlier ones are discarded.

        Messages are a series of their own, which no other wait discards. The library reports `Connected` on
        another thread than what it receives, so the first message may come before it.
        """
        series = name if name in _SERIES else _OTHERS
        with anyio.fail_after(timeout):
            while True:
                while (event := self._take(series)) is not None:
                    told = event.message if event.message is not None else event.fields
                    if event.name == name and where(told):
                        return told
                await self._changed.wait()

    async def first(self, *names: str, timeout: float = 30) -> str:
        """The name of the next event that has one of these names, of which none is that of a message."""
        with anyio.fail_after(timeout):
            while True:
                while (event := self._take(_OTHERS)) is not None:
                    if event.name in names:
                        return event.name
                await self._changed.wait()

    def _take(self, series: str) -> Event | None:
        """The next event that no wait of this series has looked at; None if there is none yet."""
        position = self._positions[series]
        if position == len(self.events):
            return None
        self._positions[series] += 1
        return self.events[position]

    async def qr(self, timeout: float = 30) -> str:
        """The next QR text."""
        return (await self.wait("qr", timeout=timeout))["text"]

    async def message(self, text: str | None = None, timeout: float = 30) -> Any:
        """The next message event, or the next with that text."""

        def fits(event: Any) -> bool:
            said = event.Message.conversation or event.Message.extendedTextMessage.text
            return bool(said) if text is None else said == text

        return await self.wait("Message", fits, timeout)

    async def logged_out(self, timeout: float = 30) -> Any:
        """The next logout event, once the session is deleted: the library reports the event before that."""
        event = await self.wait("LoggedOut", timeout=timeout)
        await self.eventually("None", lambda _: not self.stored("whatsmeow_device"), timeout)
        return event

    def stored(self, table: str) -> int:
        """How many rows a table of the library's database has."""
        with closing(sqlite3.connect(self._database)) as database:
            return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]

    async def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        await self._process.wait()

    async def _send(self, **fields: Any) -> None:
        assert self._process.stdin is not None
        await self._process.stdin.send(json.dumps(fields).encode() + b"\n")


@asynccontextmanager
async def neonize_client(
    wa: HasEnvironment, database: Path, level: str = "INFO"
) -> AsyncIterator[NeonizeClient]:
    """A client process on that database, not connected yet; killed at the end."""
    environment = {**os.environ, **wa.environment()}
    environment.pop("NEONIZE_BOT_TAG", None)
    with database.with_suffix(".log").open("ab") as stderr:
        command = [sys.executable, str(_PROGRAM), str(database), level]
        async with await anyio.open_process(command, stderr=stderr, env=environment) as process:
            client = NeonizeClient(process, database)
            # Entered by hand: a task group would wrap a failing test's exception in an exception group.
            tasks = await anyio.create_task_group().__aenter__()
            try:
                tasks.start_soon(client.read)
                await client.wait("ready", timeout=60)
                yield client
            finally:
                tasks.cancel_scope.cancel()
                await tasks.__aexit__(None, None, None)
                if process.returncode is None:
                    process.kill()


async def linked(wa: WhatsApp, client: NeonizeClient) -> None:
    """Link `client` to the first account by QR code and wait until both sides confirm it."""
    await client.connect()
    await wa.me.scan(await client.qr())
    await client.wait("Connected", timeout=60)
    await wa.me.online(timeout=60)
