"""The nginx of `deploy/compose`, before two replicas that say what they were asked."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest

from tests.fleet.deploy.compose import FOLDER, prepare
from tests.fleet.postgres import free_port

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
LIMIT = 30
pytestmark = pytest.mark.skipif(
    NGINX is None or shutil.which("openssl") is None, reason="nginx or openssl is not installed"
)


class Replica(BaseHTTPRequestHandler):
    """Answers with its name and the headers that it got."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        port = self.connection.getsockname()[1]
        body = json.dumps({"replica": port, **dict(self.headers)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def replica() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Replica) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Front:
    """nginx, with what is behind it."""

    client: httpx2.Client
    replicas: list[ThreadingHTTPServer]

    def asked(self, **headers: str) -> dict[str, str]:
        """What a replica got."""
        answer = self.client.get("/mcp", headers=headers)
        assert answer.status_code == 200
        return answer.json()


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    """With the configuration as it is, but for addresses and folders."""
    prepare(tmp_path)
    port = free_port()
    with ExitStack() as opened:
        replicas = [opened.enter_context(replica()) for _ in range(2)]
        text = (
            (FOLDER / "nginx.conf").read_text(encoding="utf-8").replace("/identity", str(tmp_path / "nginx"))
        )
        for number, server in enumerate(replicas, start=1):
            text = text.replace(f"replica-{number}:8808", f"127.0.0.1:{server.server_port}")
        text = text.replace("listen 8443", f"listen 127.0.0.1:{port}")
        folders = "".join(
            f"{name}_temp_path {tmp_path}/{name};"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        configuration = tmp_path / "nginx.conf"
        configuration.write_text(
            f"pid {tmp_path}/pid; daemon off;\n" + text.replace("http {", f"http {{ {folders}", 1),
            encoding="utf-8",
        )
        assert NGINX is not None
        command = [NGINX, "-c", str(configuration), "-p", str(tmp_path), "-e", str(tmp_path / "errors")]
        subprocess.run([*command, "-t"], check=True, capture_output=True)
        process = subprocess.Popen(command)
        try:
            context = ssl.create_default_context(cafile=tmp_path / "nginx" / "servers.crt")
            transport = httpx2.HTTPTransport(verify=context, retries=10)
            with httpx2.Client(
                base_url=f"https://localhost:{port}", transport=transport, timeout=LIMIT, trust_env=False
            ) as client:
                yield Front(client, replicas)
        finally:
            process.terminate()
            process.wait(LIMIT)


def test_a_caller_stays_with_one_replica_and_callers_are_spread(front: Front) -> None:
    tokens = [f"Bearer {number}" for number in range(20)]
    first = [front.asked(Authorization=token)["replica"] for token in tokens]
    assert len(set(first)) == 2
    session = {"Mcp-Session-Id": "0123"}
    assert [front.asked(Authorization=token, **session)["replica"] for token in tokens] == first


def test_a_replica_that_is_gone_is_stood_in_for_by_the_other(front: Front) -> None:
    gone, other = front.replicas
    gone.shutdown()
    gone.server_close()
    asked = [front.asked(Authorization=f"Bearer {number}")["replica"] for number in range(10)]
    assert set(asked) == {other.server_port}


def test_a_replica_is_told_who_asks_and_a_client_cannot_say_otherwise(front: Front) -> None:
    said = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "other.example",
    }
    told = front.asked(**said)
    assert told["X-Forwarded-For"] == "127.0.0.1"
    assert told["X-Forwarded-Proto"] == "https"
    assert told["Host"].startswith("localhost")
    assert told["X-Forwarded-Host"] == told["Host"]


@pytest.mark.parametrize("path", ["/metrics", "/admin/v1/accounts", "/%61dmin/v1/nodes"])
def test_figures_and_the_admin_api_are_not_published(front: Front, path: str) -> None:
    assert front.client.get(path).status_code == 404
