"""A server process exports its spans to an OTLP receiver, those of its last moments too."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.fixtures import client_of, http_server, link
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio
LIMIT = 60


@dataclass
class Receiver:
    """Takes what is exported; `names` are those of the spans, by trace."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list[bytes])

    def names(self) -> dict[bytes, set[str]]:
        """What came."""
        found: dict[bytes, set[str]] = {}
        for body in list(self.bodies):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        found.setdefault(span.trace_id, set()).add(span.name)
        return found


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """One on loopback."""
    received = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received.url = f"http://127.0.0.1:{server.server_address[1]}/v1/traces"
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        yield received
        server.shutdown()
        serving.join(LIMIT)


async def test_the_way_of_a_send_arrives_at_the_receiver_when_the_server_ends(
    whatsapp: WhatsApp, home: Path, receiver: Receiver
) -> None:
    config = home / "config.toml"
    config.write_text(f'{config.read_text()}[traces]\nendpoint = "{receiver.url}"\n', encoding="utf-8")
    friend = whatsapp.person("Bob", "+15550004444")
    async with http_server(whatsapp, home) as server, client_of(server, "http") as client:
        await link(client, whatsapp)
        body = {"chat": "+15550004444", "text": "words-of-a-message"}
        sent = await client.call_tool("send_message", body)
        assert not sent.is_error, sent
        await friend.receives()
    expected = {"tool send_message", "operation send", "hand over", "answer send_message"}
    with anyio.fail_after(LIMIT):
        while not any(expected <= names for names in receiver.names().values()):  # noqa: ASYNC110
            await anyio.sleep(0.05)
    for secret in (b"words-of-a-message", b"15550004444", b"Bob"):
        assert not [body for body in receiver.bodies if secret in body]


async def test_a_receiver_that_is_away_delays_nobody(whatsapp: WhatsApp, home: Path) -> None:
    config = home / "config.toml"
    endpoint = "http://127.0.0.1:9/v1/traces"
    config.write_text(f'{config.read_text()}[traces]\nendpoint = "{endpoint}"\n', encoding="utf-8")
    async with http_server(whatsapp, home) as server:
        async with client_of(server, "http") as client:
            answer = await client.call_tool("connection_status", {})
            assert not answer.is_error, answer
        server.process.terminate()
        with anyio.fail_after(LIMIT):
            assert await server.process.wait() == 0
