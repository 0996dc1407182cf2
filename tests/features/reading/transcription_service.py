"""A service of transcription on loopback, with OpenAI's interface; PocketSphinx does its work."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.media.speech_samples import samples_of
from whatsapp_mcp.features.reading.speech.recogniser import Transcript
from whatsapp_mcp.features.reading.speech.sphinx import Sphinx


@dataclass(frozen=True)
class Request:
    """What was posted: its path, its headers, its fields by name, and the file with its name."""

    path: str
    headers: dict[str, str]
    fields: dict[str, str]
    file_name: str
    content: bytes


@dataclass
class TranscriptionService:
    """How the service behaves, and what it was asked.

    Attributes:
        recogniser: Who does the work.
        has_times: Whether it answers `verbose_json`; else that is a mistake (400).
        status: Of every answer, if it is another than 200.
        headers: Of every answer.
        body: Of every answer, in place of a transcript.
        released: No answer comes before it is set.
    """

    recogniser: Sphinx
    has_times: bool = True
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    requests: list[Request] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def answer(self, request: Request) -> tuple[int, bytes]:
        """The status and the body."""
        if self.body is not None or self.status != 200:
            return self.status, self.body or b"words of a service"
        form = request.fields["response_format"]
        if form == "verbose_json" and not self.has_times:
            return 400, b'{"error": {"message": "words of a service"}}'
        heard = self.recogniser.transcribe([samples_of(request.content)], None)
        return 200, json.dumps(_verbose(heard) if form == "verbose_json" else _plain(heard)).encode()


def _plain(heard: Transcript) -> dict[str, Any]:
    return {"text": " ".join(segment.text for segment in heard.segments)}


def _verbose(heard: Transcript) -> dict[str, Any]:
    segments = [segment._asdict() for segment in heard.segments]
    return {**_plain(heard), "task": "transcribe", "language": "english", "segments": segments}


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, service: TranscriptionService, *more: Any) -> None:
        self._service = service
        super().__init__(*more)

    def do_POST(self) -> None:
        request = self._request()
        self._service.requests.append(request)
        self._service.released.wait(30)
        status, body = self._service.answer(request)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **self._service.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(body)
        except ConnectionError:
            return  # whoever asked has had enough

    def _request(self) -> Request:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        fields: dict[str, str] = {}
        name, content = "", b""
        for part in BytesParser(policy=HTTP).parsebytes(head + body).iter_parts():
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            if part.get_filename() is None:
                fields[str(part.get_param("name", header="content-disposition"))] = payload.decode()
            else:
                name, content = str(part.get_filename()), payload
        return Request(self.path, dict(self.headers.items()), fields, name, content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def running_service(recogniser: Sphinx, **options: Any) -> Generator[TranscriptionService]:
    """A service on a port of its own, while the body runs; it answers at once."""
    service = TranscriptionService(recogniser, **options)
    service.released.set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, service))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        service.url = f"http://127.0.0.1:{server.server_address[1]}/v1/audio/transcriptions"
        yield service
    finally:
        service.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
