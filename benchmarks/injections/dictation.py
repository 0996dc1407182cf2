"""A service of transcription on loopback that hears in every recording what it is told to hear."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import anyio.abc

from whatsapp_mcp.device.supervise import background_tasks

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
)
_SECONDS = 10.0


class Dictation:
    """Answers as OpenAI's `/v1/audio/transcriptions` does.

    Attributes:
        words: What is heard in the next recordings.
        port: Where it listens.
    """

    def __init__(self, port: int) -> None:
        self.words = ""
        self.port = port

    @property
    def config(self) -> str:
        """The section of `config.toml` that has it used."""
        url = f"http://127.0.0.1:{self.port}/v1/audio/transcriptions"
        return f'\n[voice]\nengine = "service"\nurl = "{url}"\n'

    async def serve(self, stream: anyio.abc.SocketStream) -> None:
        """Take one recording and answer."""
        async with stream:
            with anyio.move_on_after(_SECONDS):
                got = b""
                while not _is_whole(got):
                    got += await stream.receive(1 << 16)
                body = json.dumps({"text": self.words, "language": "english"}).encode()
                await stream.send(_ANSWER % len(body) + body)


def _is_whole(got: bytes) -> bool:
    head, end, body = got.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return bool(end) and (length is None or len(body) >= int(length[1]))


@asynccontextmanager
async def dictation() -> AsyncGenerator[Dictation]:
    """Listen while the block runs."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        made = Dictation(listener.extra(anyio.abc.SocketAttribute.local_port))
        async with background_tasks() as tasks:
            tasks.start_soon(listener.serve, made.serve)
            yield made
