"""Object stores of tests."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from obstore.store import MemoryStore

from whatsapp_fleet.database import Database
from whatsapp_fleet.object_places import Bucket
from whatsapp_fleet.objects import ObjectStore, open_objects

KINDS = ("folder", "bucket")


def store_of(kind: str, path: Path) -> ObjectStore | None:
    """A new store: `folder` (`file://`), `bucket` (in memory), or none.

    Args:
        kind: Which.
        path: An existing folder.
    """
    match kind:
        case "folder":
            (path / "objects").mkdir(exist_ok=True)
            return open_objects((path / "objects").as_uri())
        case "bucket":
            memory = MemoryStore()
            return ObjectStore("s3://bucket/prefix", Bucket(lambda: memory))
        case _:
            return None


def objects_of(database: Database, account: str = "work") -> list[str]:
    """The objects of an account, in their order."""
    if database.objects is None:
        return []
    return sorted(name for names in database.objects.bodies(account).values() for name in names)


class S3(ThreadingHTTPServer):
    """A server of one bucket, with as much of S3 as is used.

    Attributes:
        there: Its objects, by bucket and key.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.there: dict[str, bytes] = {}


class _Request(BaseHTTPRequestHandler):
    server: S3  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *values: object) -> None:
        pass

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("ETag", '"x"')
        self.send_header("Last-Modified", "Sat, 28 Nov 2026 12:00:00 GMT")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    @property
    def _key(self) -> str:
        return unquote(urlsplit(self.path).path)[1:]

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def do_PUT(self) -> None:
        body = self._body()
        if self.headers.get("If-None-Match") == "*" and self._key in self.server.there:
            self._answer(412)
            return
        self.server.there[self._key] = body
        self._answer(200)

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        if "list-type" in query:
            self._answer(200, self._listed(query.get("prefix", [""])[0], query.get("delimiter", [""])[0]))
        elif (body := self.server.there.get(self._key)) is None:
            self._answer(404)
        else:
            self._answer(200, body)

    def do_POST(self) -> None:
        bucket = self._key.strip("/")
        keys = re.findall(r"<Key>([^<]+)</Key>", self._body().decode())
        for key in keys:
            self.server.there.pop(f"{bucket}/{key}", None)
        deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        self._answer(200, f"<DeleteResult>{deleted}</DeleteResult>".encode())

    def _listed(self, prefix: str, delimiter: str) -> bytes:
        bucket = f"{self._key.strip('/')}/"
        keys = [key.removeprefix(bucket) for key in self.server.there]
        found = [key for key in sorted(keys) if key.startswith(prefix)]
        tops = {
            key[: key.index("/", len(prefix)) + 1] for key in found if delimiter and "/" in key[len(prefix) :]
        }
        objects = "".join(
            f"<Contents><Key>{key}</Key><LastModified>2026-11-28T12:00:00.000Z</LastModified>"
            f"<Size>{len(self.server.there[bucket + key])}</Size></Contents>"
            for key in found
            if not any(key.startswith(top) for top in tops)
        )
        common = "".join(f"<CommonPrefixes><Prefix>{top}</Prefix></CommonPrefixes>" for top in sorted(tops))
        return (
            f"<ListBucketResult><IsTruncated>false</IsTruncated>{objects}{common}</ListBucketResult>".encode()
        )


@contextmanager
def s3_server() -> Iterator[S3]:
    """A server on loopback until the end of the block."""
    with S3() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
