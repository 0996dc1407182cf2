"""Where the name of a proxy leads, when something is about to go through it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tables import for_each
from whatsapp_mcp.device.connection import state
from whatsapp_mcp.device.connection.client_process import Client
from whatsapp_mcp.errors import FileNotAllowed, NotConnected
from whatsapp_mcp.media import fetch, pinned_proxy
from whatsapp_mcp.settings import AccountSettings, Settings, check_own_text

pytestmark = pytest.mark.anyio

Leads = Callable[..., None]


@pytest.fixture
def leads(monkeypatch: pytest.MonkeyPatch) -> Leads:
    """Lets every name lead to these addresses; to none where it does not exist."""

    def to(*addresses: str) -> None:
        def looked_up(host: object, port: object, *more: Any, **named: Any) -> list[Any]:
            if not addresses:
                raise socket.gaierror(socket.EAI_NONAME, "unknown")
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

        monkeypatch.setattr(socket, "getaddrinfo", looked_up)

    return to


@for_each(
    "address",
    "127.0.0.1 127.8.8.8 ::1 169.254.169.254 fe80::1%eth0 0.0.0.0 ::ffff:127.0.0.1 fd00:ec2::254"
    " 100.100.100.200 168.63.129.16 192.0.0.192 fd20:ce::254 fd00:ec2::23 64:ff9b::a9fe:a9fe 2002:7f00:1::"
    " 64:ff9b:1::7f00:1 ::7f00:1".split(),
)
async def test_a_name_that_leads_to_the_machine_itself_is_not_gone_through(
    leads: Leads, address: str
) -> None:
    leads("203.0.113.7", address)
    for scheme in ("socks5", "http", "https"):
        with pytest.raises(FileNotAllowed, match="leads to the computer that would use it"):
            await pinned_proxy(f"{scheme}://acme:word@egress.example.org:1080")
    with pytest.raises(FileNotAllowed):
        await fetch("http://203.0.113.9/latest/meta-data/", 100, proxy="http://egress.example.org:80")


@for_each(
    ("given", "used"),
    [
        ("socks5://acme:word@egress.example.org:1080", "socks5://acme:word@10.0.0.7:1080"),
        ("http://egress.example.org", "http://10.0.0.7:80"),
        ("socks5://egress.example.org", "socks5://10.0.0.7:1080"),
        ("https://egress.example.org:3128", "https://egress.example.org:3128"),
        ("socks5://127.0.0.1:1080", "socks5://127.0.0.1:1080"),
        ("http://localhost:3128", "http://localhost:3128"),
        ("http://[::1]:3128", "http://[::1]:3128"),
        (None, None),
    ],
)
async def test_the_address_that_was_looked_at_is_the_one_that_is_gone_through(
    leads: Leads, given: str | None, used: str | None
) -> None:
    leads("10.0.0.7", "10.0.0.8")
    assert await pinned_proxy(given) == used


async def test_a_proxy_whose_name_nobody_knows_is_said_to_be_so(leads: Leads) -> None:
    leads()
    with pytest.raises(NotConnected, match="does not exist"):
        await pinned_proxy("http://egress.example.org")


async def test_a_client_is_not_started_whose_proxy_leads_to_the_machine_itself(
    leads: Leads, tmp_path: Path
) -> None:
    leads("127.0.0.1")
    folder = Settings(home=tmp_path).account_folder()
    folder.create()
    check_own_text(tmp_path, "work", '[network]\nproxy = "socks5://egress.example.org:1080"\n')
    reports: list[state.ClientEvent] = []

    async def storage() -> Any:
        return None

    async def notice(method: str, params: Any, generation: int) -> None: ...

    proxy = "socks5://egress.example.org:1080"
    program = ("/nowhere/client",)
    client = Client(1, folder, AccountSettings(), storage, reports.append, notice, program, proxy)
    await client.run()
    [ended] = reports
    assert isinstance(ended, state.Ended)
    assert "leads to the computer that would use it" in ended.reason
