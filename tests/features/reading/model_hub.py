"""A hub of models on loopback, with Hugging Face's interface, that can fail as a real one does."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import urlsplit

REVISION: Final = "0123456789abcdef0123456789abcdef01234567"
_LARGE: Final = 10_000
"""Bytes from which on a file is listed with a SHA-256, as those in Git LFS are."""


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass
class ModelHub:
    """What the hub has and how it behaves.

    Attributes:
        files: By name, of every repository.
        listed: Changes to the entry of a file in the listing.
        listing: The whole answer to the question for a listing, in place of one of the files.
        redirects: Where the path of a file redirects to, by its name.
        breaks_after: After so many bytes of a file the connection is closed, once.
        released: If it is not set, that connection stays open until it is.
        has_ranges: Whether a part of a file can be asked for.
        status: Of every answer.
        asked: The paths that were asked for, with the range.
        address: Where it is.
    """

    files: dict[str, bytes]
    listed: dict[str, dict[str, Any]] = field(default_factory=dict)
    listing: bytes | None = None
    redirects: dict[str, str] = field(default_factory=dict)
    breaks_after: dict[str, int] = field(default_factory=dict)
    released: threading.Event = field(default_factory=_set)
    has_ranges: bool = True
    revision: str = REVISION
    status: int = 200
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""

    def entries(self) -> bytes:
        """The listing of the newest commit."""
        if self.listing is not None:
            return self.listing
        entries = [_entry(name, content) | self.listed.get(name, {}) for name, content in self.files.items()]
        return json.dumps({"sha": self.revision, "siblings": entries}).encode()


def _entry(name: str, content: bytes) -> dict[str, Any]:
    blob = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
    entry: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": blob}
    if len(content) >= _LARGE:
        digest = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 134}
    return entry


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, hub: ModelHub, *more: Any) -> None:
        self._hub = hub
        super().__init__(*more)

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self._hub.asked.append((self.path, self.headers.get("Range")))
        if self._hub.status != 200:
            self._answer(self._hub.status, b"words of a hub")
        elif path.startswith("/api/models/"):
            self._answer(200, self._hub.entries())
        else:
            self._file(path.rpartition("/")[2])

    def _file(self, name: str) -> None:
        if (target := self._hub.redirects.get(name)) is not None and not self.path.startswith("/stored/"):
            self._answer(302, b"", {"Location": target})
            return
        if name not in self._hub.files:
            self._answer(404, b"")
            return
        content = self._hub.files[name]
        given = self.headers.get("Range")
        if given is None or not self._hub.has_ranges:
            self._answer(200, content, most=self._hub.breaks_after.pop(name, None))
            return
        start = int(given.removeprefix("bytes=").removesuffix("-"))
        headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        self._answer(206, content[start:], headers, self._hub.breaks_after.pop(name, None))

    def _answer(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, most: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        try:
            self.wfile.write(body if most is None else body[:most])
            self.wfile.flush()
        except ConnectionError:
            return  # whoever asked has had enough
        if most is not None:
            self._hub.released.wait(30)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def running_hub(files: dict[str, bytes], **options: Any) -> Generator[ModelHub]:
    """A hub with these files, on a port of its own, while the body runs."""
    hub = ModelHub(files, **options)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, hub))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        hub.address = f"http://127.0.0.1:{server.server_address[1]}"
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
