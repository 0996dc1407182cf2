"""The page of linking is opened through hosts that open URLs, in both eras of the protocol."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import httpx2
import pytest
from mcp import Client
from mcp.client import ClientRequestContext
from mcp.types import ElicitRequestParams, ElicitRequestURLParams, ElicitResult
from starlette.applications import Starlette

from tests import simulated
from tests.devices import direct
from tests.server.fakes import FakeDevice, FakeSource, text_of
from tests.web.site import Source, sign_in
from whatsapp_mcp.archive import Archive, open_archive
from whatsapp_mcp.device.local_device import LocalDevice
from whatsapp_mcp.device.operations import control
from whatsapp_mcp.device.supervise import background_tasks
from whatsapp_mcp.models import ConnectionState
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.calls import Pages
from whatsapp_mcp.server.transports.guard import Guard
from whatsapp_mcp.server.transports.page_login import PageLogins, announce, login_url
from whatsapp_mcp.server.transports.tokens import Tokens
from whatsapp_mcp.settings import CurrentSettings, Settings
from whatsapp_mcp.web.pages import site_routes, sites_of
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio

Mode = Literal["auto", "legacy"]
Answer = Literal["accept", "decline", "cancel"]
ERAS: tuple[Mode, ...] = ("auto", "legacy")
URL = "http://127.0.0.1:8808/link"


@dataclass
class Browser:
    """What opens a URL for the person."""

    answer: Answer = "accept"
    seen: list[ElicitRequestURLParams] = field(default_factory=list[ElicitRequestURLParams])

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        assert isinstance(params, ElicitRequestURLParams)
        self.seen.append(params)
        return ElicitResult(action=self.answer)


@asynccontextmanager
async def host(source: FakeSource, mode: Mode, browser: Browser | None) -> AsyncGenerator[Client]:
    async with Client(create(source, "core"), mode=mode, elicitation_callback=browser) as client:
        yield client


@pytest.fixture
def source(source: FakeSource, device: FakeDevice) -> FakeSource:
    """A server with pages, of an account that nobody is linked to."""
    source.pages = Pages("whatsapp-mcp page", URL)
    device.state, device.number = ConnectionState.UNLINKED, None
    return source


async def linking(client: Client, **arguments: object) -> str:
    return text_of((await client.call_tool("link_device", arguments)).content)


@pytest.mark.parametrize("mode", ERAS)
async def test_the_person_is_sent_to_the_page_and_the_agent_is_told_so(
    source: FakeSource, mode: Mode
) -> None:
    browser = Browser()
    async with host(source, mode, browser) as client:
        text = await linking(client)
    assert text.startswith(f"linking: the user was sent to {URL}")
    assert "Other ways" in text
    (asked,) = browser.seen
    assert asked.url == URL
    assert "whatsapp-mcp page" in asked.message


@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize("answer", ["decline", "cancel"])
async def test_who_does_not_want_the_page_has_the_other_ways(
    source: FakeSource, mode: Mode, answer: Answer
) -> None:
    async with host(source, mode, Browser(answer)) as client:
        text = await linking(client)
    assert text.startswith("linking: the user scans the QR above")


@pytest.mark.parametrize("mode", ERAS)
async def test_nobody_is_asked_again_while_linking_goes_on(
    source: FakeSource, device: FakeDevice, mode: Mode
) -> None:
    browser = Browser()
    device.state = ConnectionState.LINKING
    async with host(source, mode, browser) as client:
        await linking(client)
    assert browser.seen == []


@pytest.mark.parametrize("mode", ERAS)
async def test_without_pages_without_such_a_host_and_for_a_code_nothing_is_opened(
    source: FakeSource, mode: Mode
) -> None:
    browser = Browser()
    async with host(source, mode, browser) as client:
        await linking(client, phone="+15550001111")
        source.pages = None
        await linking(client)
    source.pages = Pages("whatsapp-mcp page", URL)
    async with host(source, mode, None) as client:
        assert (await linking(client)).startswith("linking: the user scans")
    assert browser.seen == []


@asynccontextmanager
async def pages(home: Path, device: LocalDevice, archive: Archive) -> AsyncGenerator[httpx2.AsyncClient]:
    """A browser that has the pages of the account's server before it."""
    logins = PageLogins("page")
    site = Source(cast("Any", device), home, archive)
    app = Guard(
        Starlette(routes=site_routes(sites_of([site], logins), logins, Tokens(home))),
        "127.0.0.1",
        None,
        logins,
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        announce(
            Settings(home=home).account_folder(), logins, URL.removesuffix("/link"), listener.getsockname()
        )
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app)) as browser:
            yield browser


@pytest.mark.parametrize("mode", ERAS)
async def test_the_page_shows_the_qr_to_whom_the_terminal_has_signed_in_and_the_phone_that_scans_it_is_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Mode
) -> None:
    folder = Settings(home=tmp_path).account_folder()
    folder.create()
    browser = Browser()
    async with WhatsApp() as wa:
        simulated.use(wa, monkeypatch)
        async with open_archive(folder, write=True) as archive, background_tasks() as tasks:
            settings = CurrentSettings(Settings(home=tmp_path))
            device = LocalDevice(folder, settings, archive, tasks, owner=None)
            await device.start()
            server = FakeSource(cast("Any", device), archive, tmp_path)
            server.pages = Pages("whatsapp-mcp page", URL)
            async with host(server, mode, browser) as client, pages(tmp_path, device, archive) as http:
                assert "the user was sent to" in await linking(client)
                (asked,) = browser.seen
                refused = await http.get(asked.url)
                assert ("<svg" in refused.text, refused.status_code) == (False, 403)
                await sign_in(http, login_url(folder))
                assert "<svg" in (await http.get(asked.url)).text
                shown = (await direct(device).do(control.link_state)).qr
                assert shown is not None
                await wa.me.scan(shown.text)
                assert "linked" in await linking(client, wait=30)
