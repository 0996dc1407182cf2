"""A person signs in to the pages with a code from the terminal: once, and not for long."""

from __future__ import annotations

import json
import socket
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from whatsapp_mcp.errors import Busy, NotConnected
from whatsapp_mcp.server.transports.page_login import (
    CODE_LIFETIME,
    SESSION_LIFETIME,
    PageLogins,
    announce,
    login_url,
)
from whatsapp_mcp.settings import AccountFolder


@dataclass
class Clock:
    """A clock that stands still."""

    now: float = 1_780_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def logins(clock: Clock) -> PageLogins:
    return PageLogins("page", clock=clock)


@pytest.fixture
def folder(tmp_path: Path) -> AccountFolder:
    return AccountFolder("default", tmp_path)


@pytest.fixture
def server(folder: AccountFolder, logins: PageLogins) -> Iterator[socket.socket]:
    """Something that listens where the logins' server is announced to be."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        announce(folder, logins, "http://127.0.0.1:8808", listener.getsockname())
        yield listener


def code_of(url: str) -> str:
    parts = urlsplit(url)
    assert parts.path == "/login"
    [code] = parse_qs(parts.query)["code"]
    return code


@pytest.mark.usefixtures("server")
def test_a_code_signs_in_once(folder: AccountFolder, logins: PageLogins, clock: Clock) -> None:
    code = code_of(login_url(folder, clock))

    assert logins.takes(code)
    assert logins.takes(code)
    cookie = logins.sign_in(code)
    assert not logins.takes(code)

    assert cookie is not None
    assert logins.is_signed_in(cookie)
    assert logins.sign_in(code) is None


@pytest.mark.usefixtures("server")
def test_a_code_and_a_session_end(folder: AccountFolder, logins: PageLogins, clock: Clock) -> None:
    used, late = code_of(login_url(folder, clock)), code_of(login_url(folder, clock))
    clock.now += CODE_LIFETIME - 1
    cookie = logins.sign_in(used)
    assert cookie is not None
    clock.now += 1
    assert logins.sign_in(late) is None

    clock.now += SESSION_LIFETIME - 2
    assert logins.is_signed_in(cookie)
    clock.now += 1
    assert not logins.is_signed_in(cookie)


@pytest.mark.usefixtures("server")
def test_a_code_is_of_one_server(folder: AccountFolder, clock: Clock) -> None:
    code = code_of(login_url(folder, clock))

    assert PageLogins("page", clock=clock).sign_in(code) is None


@pytest.mark.usefixtures("server")
def test_a_changed_code_is_worth_nothing(folder: AccountFolder, logins: PageLogins, clock: Clock) -> None:
    nonce, expiry, seal = code_of(login_url(folder, clock)).split(".")

    for code in (
        f"{nonce}.{int(expiry) + 1}.{seal}",
        f"{nonce}x.{expiry}.{seal}",
        f"{nonce}.{expiry}.",
        f"{nonce}.{expiry}",
        f"{nonce}.{'9' * 50}.{seal}",
        "",
        "é.1.é",
    ):
        assert logins.sign_in(code) is None, code
        assert not logins.takes(code), code


def test_there_are_at_most_32_sessions_and_the_oldest_goes(
    folder: AccountFolder, server: socket.socket, logins: PageLogins, clock: Clock
) -> None:
    server.listen(64)
    cookies = [logins.sign_in(code_of(login_url(folder, clock))) or "" for _ in range(33)]

    assert [logins.is_signed_in(cookie) for cookie in cookies] == [False] + [True] * 32


@pytest.mark.skipif(sys.platform == "win32", reason="no such modes there")
@pytest.mark.usefixtures("server")
def test_only_the_owner_may_read_the_key(folder: AccountFolder) -> None:
    assert stat.S_IMODE((folder.path / "page.json").stat().st_mode) == 0o600


def test_without_a_server_the_command_says_how_to_start_one(folder: AccountFolder) -> None:
    with pytest.raises(NotConnected, match="--transport http"):
        login_url(folder)


def test_a_server_that_has_ended_is_not_found(folder: AccountFolder, server: socket.socket) -> None:
    server.close()

    with pytest.raises(NotConnected):
        login_url(folder)


@pytest.mark.parametrize("content", ["", "{}", json.dumps({"url": 1, "key": "zz", "address": []})])
def test_a_file_that_cannot_be_read_is_told(folder: AccountFolder, content: str) -> None:
    (folder.path / "page.json").write_text(content)

    with pytest.raises(Busy, match="Restart"):
        login_url(folder)


def test_the_key_is_in_no_representation(logins: PageLogins) -> None:
    assert logins.key.hex() not in repr(logins)
    assert repr(logins.key) not in repr(logins)
