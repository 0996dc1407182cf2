"""A model on loopback that says what a test tells it to, and keeps what a host shows it.

Each host speaks its maker's API; a `Dialect` is as much of one as is needed here.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

Request = Mapping[str, Any]


@dataclass(frozen=True)
class Call:
    """A tool that the model calls."""

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Shown:
    """What a host passes to its model of one tool's result: all its text, and its images."""

    text: str
    images: tuple[bytes, ...] = ()


class Dialect(Protocol):
    """One API, seen from the model."""

    def offered(self, request: Request) -> list[str]:
        """The names of all tools in a request."""
        ...

    def shown(self, request: Request) -> list[Shown]:
        """The results of tools in a request, oldest first."""
        ...

    def calls(self, name: str, arguments: dict[str, Any], number: int) -> Sequence[Mapping[str, Any]]:
        """The events of an answer that calls a tool."""
        ...

    def says(self, text: str) -> Sequence[Mapping[str, Any]]:
        """The events of an answer in words."""
        ...


class ScriptedModel:
    """Makes its calls one after the other, then says that it is done."""

    def __init__(self, dialect: Dialect, calls: Sequence[Call]) -> None:
        self._dialect = dialect
        self._calls = calls
        self.offered: list[str] = []
        self.shown: list[Shown] = []
        self.url = ""

    def answer(self, request: Request) -> Sequence[Mapping[str, Any]]:
        """The next step of a conversation; how far it is can be seen in the request."""
        offered = [name for name in self._dialect.offered(request) if "whatsapp" in name]
        if not offered:  # a host also asks for titles and the like
            return self._dialect.says("Yes.")
        self.offered = offered
        self.shown = self._dialect.shown(request)
        done = len(self.shown)
        if done == len(self._calls):
            return self._dialect.says("Done.")
        call = self._calls[done]
        name = next(name for name in offered if name.endswith((f"_{call.tool}", f".{call.tool}")))
        return self._dialect.calls(name, call.arguments, done)


@contextmanager
def served(dialect: Dialect, calls: Sequence[Call]) -> Iterator[ScriptedModel]:
    """A model that makes these calls and listens on loopback until the block ends."""
    model = ScriptedModel(dialect, calls)
    with listening(model):
        yield model


@contextmanager
def listening(model: ScriptedModel) -> Iterator[None]:
    """The model listens on loopback until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            events = model.answer(body)
            if "stream" in self.path or body.get("stream"):
                self._reply("text/event-stream", "".join(map(_event, events)))
            else:
                self._reply("application/json", json.dumps(events[-1]))

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

        def _reply(self, media_type: str, body: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        model.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def _event(event: Mapping[str, Any]) -> str:
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event)}\n\n"
