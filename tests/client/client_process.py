"""A real client process, driven over its pipes as a host drives it."""

from __future__ import annotations

import os
import subprocess
import sys
from base64 import b64decode
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.abc

from whatsapp_mcp.client.client_storage import ClientStorage
from whatsapp_mcp.client.protocol import ENVIRONMENT, QR, READY, STATE, EventCode
from whatsapp_mcp.processes.rpc import Params, Peer
from whatsapp_simulator.phone import Phone

NOWHERE = {"HTTPS_PROXY": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1", "NO_PROXY": ""}
"""An environment in which nothing leaves the machine."""

PATIENCE = 30.0

FILES = ClientStorage()
PROGRAM = (sys.executable, "-m", "whatsapp_mcp.client")


class Recorded(anyio.abc.ByteReceiveStream):
    """A stream that keeps all that was read from it."""

    def __init__(self, stream: anyio.abc.ByteReceiveStream) -> None:
        self._stream = stream
        self.bytes = b""

    async def receive(self, max_bytes: int = 65536) -> bytes:
        chunk = await self._stream.receive(max_bytes)
        self.bytes += chunk
        return chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


class ClientUnderTest:
    """What was heard from it, and its calls."""

    def __init__(self, process: anyio.abc.Process, peer: Peer, stdout: Recorded) -> None:
        self.process = process
        self.peer = peer
        self.stdout = stdout
        self.heard: list[tuple[str, Params]] = []
        self._news = anyio.Event()

    async def on_notification(self, method: str, params: Params) -> None:
        self.heard.append((method, params))
        self._news.set()
        self._news = anyio.Event()

    async def call(self, method: str, **params: Any) -> Any:
        return await self.peer.call(method, params, deadline=PATIENCE)

    async def hear(self, method: str, wanted: Callable[[Params], bool] = lambda params: True) -> Params:
        """The first such notification, waiting for it if need be; it is forgotten then."""
        with anyio.fail_after(PATIENCE):
            while True:
                for heard in self.heard:
                    if heard[0] == method and wanted(heard[1]):
                        self.heard.remove(heard)
                        return heard[1]
                await self._news.wait()

    async def hear_of(self, holds: Callable[[], bool]) -> None:
        """Return once it holds, which is looked at after each notification."""
        with anyio.fail_after(PATIENCE):
            while not holds():
                await self._news.wait()

    async def hear_state(self, code: EventCode) -> bytes:
        """The payload of the next state event of this kind."""
        params = await self.hear(STATE, lambda params: params["code"] == code)
        return b64decode(params["payload"])

    async def ended(self, within: float = PATIENCE) -> int:
        """Its exit code, once it has ended."""
        with anyio.fail_after(within):
            return await self.process.wait()

    async def link(self, phone: Phone) -> None:
        """Connect and let the phone scan the first QR text; returns when online."""
        await self.call("connect")
        await phone.scan((await self.hear(QR))["text"])
        await self.hear_state(EventCode.CONNECTED)


@asynccontextmanager
async def client_process(
    folder: Path,
    environment: Mapping[str, str] = NOWHERE,
    *,
    generation: int = 1,
    history: str = "recent",
    storage: ClientStorage = FILES,
    program: tuple[str, ...] = (),
) -> AsyncGenerator[ClientUnderTest]:
    """A client process that is ready; killed at the end if it still runs. Its log is `client.log`."""
    arguments = ["--folder", str(folder), "--generation", str(generation), "--device-name", "Test"]
    with (folder / "client.log").open("ab") as log:
        process = await anyio.open_process(
            [*(program or PROGRAM), *arguments, "--history", history],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **ENVIRONMENT, **environment},
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with process:
            client: ClientUnderTest

            async def on_notification(method: str, params: Params) -> None:
                await client.on_notification(method, params)

            await process.stdin.send(storage.to_bytes())
            stdout = Recorded(process.stdout)
            peer = Peer(stdout, process.stdin, on_notification=on_notification)
            client = ClientUnderTest(process, peer, stdout)
            async with peer:
                await client.hear(READY)
                yield client
                if process.returncode is None:
                    process.kill()
    finally:
        if process.returncode is None:
            process.kill()
