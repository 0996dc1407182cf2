"""A server behind a real nginx, with the lines that the documentation gives."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import httpx2
import pytest

from tests.fixtures import HttpServer, client_of, http_server
from tests.server.fakes import text_of
from whatsapp_simulator import WhatsApp

NGINX = shutil.which("nginx")
PAGE = Path(__file__).parents[2] / "docs" / "remote.md"
NAME = "wa.example.org"
LIMIT = 60

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.hosts,
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed"),
]


@dataclass(frozen=True)
class Proxied:
    """A server and the port of the nginx in front of it."""

    server: HttpServer
    port: int

    def client(self, host: str, **headers: str) -> httpx2.AsyncClient:
        """A client that asks nginx for this host name."""
        given = {"Host": host, **self.server.headers, **headers}
        base = f"http://127.0.0.1:{self.port}"
        return httpx2.AsyncClient(base_url=base, headers=given, trust_env=False, timeout=LIMIT)


@pytest.fixture
async def proxied(whatsapp: WhatsApp, home: Path, tmp_path: Path) -> AsyncIterator[Proxied]:
    """A server on loopback that answers to the proxy's name, and nginx in front."""
    with (home / "config.toml").open("a", encoding="utf-8") as config:
        config.write(f'[server]\nallowed_hosts = ["{NAME}"]\n')
    async with http_server(whatsapp, home) as server, nginx(tmp_path, server.base) as port:
        yield Proxied(server, port)


@asynccontextmanager
async def nginx(folder: Path, upstream: str) -> AsyncIterator[int]:
    """An nginx with the documented `location`; gives its port."""
    [location] = re.findall(r"```nginx\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    location = location.replace("http://127.0.0.1:8808", upstream)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr;\n"
        f"events {{}}\nhttp {{ access_log off; {folders}\n"
        f"server {{ listen 127.0.0.1:{port}; server_name {NAME};\n{location} }} }}\n",
        encoding="utf-8",
    )
    command = [NGINX or "", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    process = await anyio.open_process(command, stdin=subprocess.DEVNULL, stdout=None, stderr=None)
    try:
        with anyio.fail_after(LIMIT):
            while not await answers(port):  # noqa: ASYNC110  nothing tells of it
                await anyio.sleep(0.05)
        yield port
    finally:
        with anyio.CancelScope(shield=True), contextlib.suppress(ProcessLookupError):
            process.terminate()
            await process.wait()


async def answers(port: int) -> bool:
    """Whether something listens there."""
    with contextlib.suppress(OSError):
        async with await anyio.connect_tcp("127.0.0.1", port):
            return True
    return False


async def test_the_public_name_is_answered_and_no_other(proxied: Proxied) -> None:
    async with proxied.client(f"{NAME}:{proxied.port}") as http:
        assert (await http.get("/healthz")).status_code == 200
    async with proxied.client("other.example.org") as http:
        refused = await http.get("/healthz")
        assert refused.status_code == 421
        assert "server.allowed_hosts" in refused.text


async def test_pages_of_the_public_origin_are_let_in_and_no_others(proxied: Proxied) -> None:
    host = f"{NAME}:{proxied.port}"
    for origin, status in ((f"http://{host}", 200), (f"http://{NAME}:1", 403), ("http://evil.example", 403)):
        async with proxied.client(host, Origin=origin) as http:
            assert (await http.get("/healthz")).status_code == status
    async with proxied.client(NAME, Origin=f"https://{NAME}") as http:  # as TLS in front of nginx shows it
        assert (await http.get("/healthz")).status_code == 200


@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_an_mcp_client_calls_tools_through_it(
    proxied: Proxied, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = HttpServer(f"http://{NAME}:{proxied.port}", proxied.server.token, proxied.server.process)

    def to_loopback(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", proxied.port))]

    monkeypatch.setattr(socket, "getaddrinfo", to_loopback)
    with anyio.fail_after(LIMIT):
        async with client_of(named, "sse" if transport == "sse" else "http") as client:
            answer = text_of((await client.call_tool("connection_status", {})).content)
    assert "unlinked" in answer
