"""`whatsapp-mcp doctor --online`, against servers on loopback, and that nothing is asked without it."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import anyio.to_thread
import pytest
import trustme

from tests.fixtures import command, environment
from whatsapp_mcp import settings
from whatsapp_mcp.cli.doctor import online
from whatsapp_mcp.cli.doctor.online import Server
from whatsapp_simulator import WhatsApp

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
LIMIT = 5.0

Answer = Callable[[socket.socket], None]


@contextmanager
def served(answer: Answer) -> Iterator[int]:
    """A server on loopback that lets `answer` deal with its one connection; its port."""

    def serve() -> None:
        with listener:
            stream, _ = listener.accept()
            with stream:
                stream.settimeout(LIMIT)
                answer(stream)

    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(LIMIT)
    port = int(listener.getsockname()[1])
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield port
    thread.join(LIMIT)


def secured(authority: trustme.CA, *headers: str) -> Answer:
    """TLS, and an answer to any request."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    def answer(stream: socket.socket) -> None:
        try:
            with context.wrap_socket(stream, server_side=True) as encrypted:
                encrypted.recv(65536)
                lines = ["HTTP/1.1 400 Bad Request", "Content-Length: 0", *headers]
                encrypted.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        except OSError:  # who does not trust the certificate goes
            pass

    return answer


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_a_server_that_answers_is_told_with_its_clock():
    authority = trustme.CA()
    date = format_datetime(NOON + timedelta(seconds=3), usegmt=True)
    with served(secured(authority, f"Date: {date}")) as port:
        found = online.answer(f"https://127.0.0.1:{port}", None, trusting(authority), NOON, LIMIT)

    assert [(each.name, each.ok) for each in found] == [("whatsapp", True), ("clock online", True)]
    assert found[1].detail == "3 s off WhatsApp's"


def test_a_date_without_a_zone_is_utc():
    authority = trustme.CA()
    date = format_datetime(NOON).replace("+0000", "-0000")
    with served(secured(authority, f"Date: {date}")) as port:
        found = online.answer(f"https://127.0.0.1:{port}", None, trusting(authority), NOON, LIMIT)

    assert (date[-5:], found[1].detail) == ("-0000", "0 s off WhatsApp's")


@pytest.mark.parametrize(("minutes", "told"), [(-9, "9 minutes ahead of"), (9, "9 minutes behind")])
def test_a_clock_that_differs_from_the_servers_is_told(minutes: int, told: str):
    authority = trustme.CA()
    date = format_datetime(NOON + timedelta(minutes=minutes), usegmt=True)
    with served(secured(authority, f"Date: {date}")) as port:
        found = online.answer(f"https://127.0.0.1:{port}", None, trusting(authority), NOON, LIMIT)

    assert (found[1].ok, found[1].detail) == (False, f"{told} WhatsApp's")
    assert found[1].action


def test_a_certificate_that_nobody_here_trusts_is_told():
    with served(secured(trustme.CA())) as port:
        [found] = online.answer(f"https://127.0.0.1:{port}", None, trusting(trustme.CA()), NOON, LIMIT)

    assert not found.ok
    assert found.detail == "the certificate that 127.0.0.1 shows is not trusted here"


def test_a_connection_that_is_cut_is_told():
    with served(lambda stream: stream.close()) as port:
        [found] = online.answer(f"https://127.0.0.1:{port}", None, None, NOON, LIMIT)

    assert (found.ok, found.detail) == (False, "127.0.0.1 ends the connection")


def test_a_server_that_is_silent_is_told():
    done = threading.Event()

    def be_silent(_: socket.socket) -> None:
        done.wait(LIMIT)

    with served(be_silent) as port:
        [found] = online.answer(f"https://127.0.0.1:{port}", None, None, NOON, 0.2)
        done.set()

    assert (found.ok, found.detail) == (False, "127.0.0.1 does not answer within 0.2 s")


def test_a_proxy_that_refuses_is_told_without_its_password():
    def refuse(stream: socket.socket) -> None:
        stream.recv(65536)
        stream.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    with served(refuse) as port:
        [found] = online.answer(online.WHATSAPP, f"http://me:hunter2@127.0.0.1:{port}", None, NOON, LIMIT)

    assert (found.ok, found.detail) == (False, "the proxy opens no connection to web.whatsapp.com")
    assert "user name and password" in (found.action or "")


@pytest.mark.parametrize("name", ["network", "proxy"])
def test_a_port_on_which_nobody_listens_is_told(name: str):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = int(gone.getsockname()[1])

    found = online.connection(name, Server("127.0.0.1", port), LIMIT)

    assert not found.ok
    assert f"127.0.0.1:{port} cannot be reached" in found.detail
    assert "network.proxy" in (found.action or "")


def test_a_name_that_is_not_found_is_told(monkeypatch: pytest.MonkeyPatch):
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    found = online.connection("network", Server("web.whatsapp.com", 443), LIMIT)

    assert (found.ok, found.detail) == (False, "the name web.whatsapp.com is not found")


@pytest.mark.parametrize(
    ("setting", "variable", "server"),
    [
        ("socks5://nas", "", Server("nas", 1080)),
        ("http://nas:3128", "http://other:1", Server("nas", 3128)),
        ("", "http://other:1", Server("other", 1)),
        ("", "other:81", Server("other", 81)),
    ],
)
def test_the_proxy_is_the_one_that_the_client_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, variable: str, server: Server
):
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", variable)
    (tmp_path / "config.toml").write_text(f'[network]\nproxy = "{setting}"\n' if setting else "")

    through = online.proxy_of(settings.load())

    assert online.server_of(through or "") == server


@pytest.mark.parametrize("variable", ["http://nas:port", "socks4://127.0.0.1:{}"])
def test_a_proxy_of_the_environment_that_cannot_be_used_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
):
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path))
    with served(lambda stream: stream.close()) as port:
        for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, variable.format(port))

        found = online.findings(settings.load())[-1]

        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), LIMIT).close()

    assert (found.name, found.ok) == ("proxy", False)
    assert "HTTPS_PROXY" in (found.action or "")


def test_without_a_proxy_whatsapp_itself_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    asked: list[tuple[str, Server]] = []
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path))

    def connection(name: str, server: Server) -> online.Finding:
        asked.append((name, server))
        return online.Finding(name, False, "no way")

    monkeypatch.setattr(online, "connection", connection)

    assert len(online.findings(settings.load())) == 1
    assert asked == [("network", Server("web.whatsapp.com", 443))]


WATCH = """
import json, os, sys
def note(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
        place = arguments[1] if event in ("socket.connect", "socket.sendto") else arguments[0]
        with open({file!r}, "a") as log:
            log.write(json.dumps(str(place)) + "\\n")
sys.addaudithook(note)
"""


def asked_for(folder: Path, variables: dict[str, str], program: list[str]) -> tuple[list[str], str]:
    """The addresses and names that a command asks the system for, in itself and its children; its answer."""
    folder.mkdir()
    log = folder / "asked.jsonl"
    log.touch()
    (folder / "sitecustomize.py").write_text(WATCH.format(file=str(log)))
    path = os.pathsep.join([str(folder), variables.get("PYTHONPATH", "")])
    done = subprocess.run(
        program,
        env={**variables, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return [json.loads(line) for line in log.read_text().splitlines()], done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="the simulator is there for Linux alone")
@pytest.mark.anyio
async def test_nothing_is_asked_without_online_and_whatsapp_through_the_proxy_with_it(tmp_path: Path):
    async with WhatsApp(seed=3) as whatsapp:
        variables = environment(whatsapp, tmp_path / "home")
        variables.pop("PYTHONPATH", None)
        doctor = command("doctor", "--json")

        quiet, said = await anyio.to_thread.run_sync(asked_for, tmp_path / "quiet", variables, doctor)
        assert [place for place in quiet if place != "127.0.0.1"] == []
        assert "whatsapp" not in {each["name"] for each in json.loads(said)}

        asked, said = await anyio.to_thread.run_sync(
            asked_for, tmp_path / "asked", variables, [*doctor, "--online"]
        )
        assert "127.0.0.1" in {place.split("'")[1] if "'" in place else place for place in asked}
        assert not any("whatsapp.com" in place for place in asked)
        found = {each["name"]: each["ok"] for each in json.loads(said)}
        assert (found["proxy"], found["whatsapp"]) == (True, True)
