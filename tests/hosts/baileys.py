"""Drives Baileys, the WhatsApp library of the Node world, in a child process on a simulated WhatsApp."""

from __future__ import annotations

import base64
import itertools
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.hosts.node import NODE
from whatsapp_simulator import WhatsApp

LIMIT = 30.0
_PROGRAM = Path(__file__).with_name("baileys_process.mjs")


class CallError(Exception):
    """The call failed in Baileys' process."""


class Baileys:
    """One process. All its events are kept; `event` finds one, past or future."""

    def __init__(self, process: anyio.abc.Process, log: Path) -> None:
        self._process = process
        self._log = log
        self._numbers = itertools.count(1)
        self._answers: dict[int, dict[str, Any]] = {}
        self._events: list[tuple[str, Any]] = []
        self._changed = anyio.Event()

    @property
    def warnings(self) -> list[str]:
        """What Baileys has logged as a warning or an error."""
        return self._log.read_text(encoding="utf-8").splitlines()

    async def read(self) -> None:
        """Take in what the process says, until it ends."""
        assert self._process.stdout is not None
        stream = BufferedByteReceiveStream(self._process.stdout)
        while True:
            try:
                fields = json.loads(await stream.receive_until(b"\n", 1 << 26), object_hook=_unwrapped)
            except (anyio.EndOfStream, anyio.IncompleteRead):
                return
            if "call" in fields:
                self._answers[fields["call"]] = fields
            else:
                self._events.append((fields["event"], fields["data"]))
            changed, self._changed = self._changed, anyio.Event()
            changed.set()

    async def call(self, source: str, **given: Any) -> Any:
        """Evaluate an expression in which `sock`, `baileys`, `messages` and `given` are in scope.

        Raises:
            CallError: It failed there.
            TimeoutError: It took longer than `LIMIT`.
        """
        number = next(self._numbers)
        request = json.dumps({"call": number, "source": source, "given": given}, default=_wrapped)
        assert self._process.stdin is not None
        await self._process.stdin.send(request.encode() + b"\n")
        with anyio.fail_after(LIMIT):
            while number not in self._answers:
                await self._changed.wait()
        answer = self._answers.pop(number)
        if "error" in answer:
            raise CallError(answer["error"])
        return answer["value"]

    async def event(self, name: str, fits: Callable[[Any], bool]) -> Any:
        """The first event of that name which fits; of lists, the first entry that does.

        Raises:
            TimeoutError: None came within `LIMIT`.
        """
        seen = 0
        with anyio.fail_after(LIMIT):
            while True:
                for kind, data in self._events[seen:]:
                    for each in data if isinstance(data, list) else [data]:
                        if kind == name and fits(each):
                            return each
                seen = len(self._events)
                await self._changed.wait()

    async def qr(self) -> str:
        """The first QR text."""
        return (await self.event("connection.update", lambda update: update.get("qr")))["qr"]

    async def opened(self) -> None:
        """Return once it is linked, logged in, and knows its own LID.

        Until it does it keeps sessions under its number, and forgets them a moment later.
        """
        await self.event("connection.update", lambda update: update.get("connection") == "open")
        await self.call("sock.signalRepository.lidMapping.getLIDForPN(sock.user.id)")

    async def sends(self, to: str, **content: Any) -> str:
        """Send a message in the form that `sendMessage` takes: its id."""
        return (await self.call("sock.sendMessage(given.to, given.content)", to=to, content=content))["key"][
            "id"
        ]

    async def message(self, message_id: str, fits: Callable[[Any], bool] = lambda _: True) -> dict[str, Any]:
        """A message that it got or sent, as Baileys tells it, once it fits."""
        return await self.event("message", lambda told: told["key"]["id"] == message_id and fits(told))

    async def download(self, message_id: str) -> bytes:
        """The file of a message, fetched and decrypted by Baileys."""
        await self.message(message_id)
        fetch = "baileys.downloadMediaMessage(messages.get(given.id), 'buffer', {})"
        return await self.call(fetch, id=message_id)


def _wrapped(value: bytes) -> dict[str, str]:
    """Bytes in the form of Baileys' own JSON."""
    return {"type": "Buffer", "data": base64.b64encode(value).decode()}


def _unwrapped(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["data"]) if value.get("type") == "Buffer" else value


@asynccontextmanager
async def baileys(whatsapp: WhatsApp, folder: Path) -> AsyncIterator[Baileys]:
    """A process that keeps its session in a folder of this name and connects at once; killed at the end."""
    environment = {**os.environ, **whatsapp.environment(), "NODE_USE_ENV_PROXY": "1"}
    environment["NODE_EXTRA_CA_CERTS"] = environment["SSL_CERT_FILE"]
    log = folder.with_suffix(".log")
    with log.open("wb") as stderr:
        command = [NODE, _PROGRAM, folder]
        async with await anyio.open_process(command, stderr=stderr, env=environment) as process:
            client = Baileys(process, log)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.read)
                try:
                    yield client
                finally:
                    process.kill()
