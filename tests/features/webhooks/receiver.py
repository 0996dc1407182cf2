"""A receiver of webhooks on loopback: it checks signatures, and answers as a test tells it to."""

from __future__ import annotations

import base64
import hmac
import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass(frozen=True)
class Request:
    """What was posted."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        return json.loads(self.body)

    def is_signed_with(self, key: bytes) -> bool:
        """Whether one of its signatures is of this secret, as a receiver checks it."""
        content = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        wanted = "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode()
        return wanted in self.headers["webhook-signature"].split(" ")


@dataclass
class Receiver:
    """What it was sent, and what it answers: a status, or None to close the connection without a word.

    Attributes:
        answer: Called with each request, in the server's thread.
        headers: Of every answer.
        requests: All of them, in order.
        taken: Those that it has answered with success.
    """

    answer: Callable[[Request], int | None] = lambda request: 204
    headers: dict[str, str] = field(default_factory=dict[str, str])
    requests: list[Request] = field(default_factory=list[Request])
    taken: list[Request] = field(default_factory=list[Request])
    url: str = ""
    port: int = 0

    @property
    def ids(self) -> list[str]:
        """The ids of what it has taken, in order."""
        return [request.id for request in self.taken]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, receiver: Receiver, *more: Any) -> None:
        self._receiver = receiver
        super().__init__(*more)

    def do_POST(self) -> None:
        size = int(self.headers["content-length"])
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(size)
        if len(body) < size:  # its sender was killed
            self.close_connection = True
            return
        request = Request(self.path, headers, body)
        receiver = self._receiver
        receiver.requests.append(request)
        status = receiver.answer(request)
        if status is None:
            self.close_connection = True
            return
        if 200 <= status < 300:
            receiver.taken.append(request)
        self.send_response(status)
        for name, value in receiver.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def receiving(receiver: Receiver | None = None) -> Generator[Receiver]:
    """A receiver that listens on a free port of loopback, or on the one that it had before."""
    receiver = receiver or Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", receiver.port), partial(_Handler, receiver))
    server.daemon_threads = True
    receiver.port = server.server_port
    receiver.url = f"http://127.0.0.1:{server.server_port}/webhook/whatsapp"
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
