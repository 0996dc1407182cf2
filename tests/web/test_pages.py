"""The pages that a person opens in a browser."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx2
import pytest
from starlette.applications import Starlette

from tests.server.fakes import FakeDevice, FakeDevices
from whatsapp_mcp.device.operations.protocol import Devices
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.models import ConnectionState, LinkState, QrCode
from whatsapp_mcp.web.pages import link_html, page_routes

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
RELOADS = 'http-equiv="refresh"'


@dataclass
class Source:
    """A server with this device, or one that is still starting."""

    device: FakeDevice | None

    def devices(self) -> Devices | None:
        return FakeDevices(self.device) if self.device else None


class Logins:
    """One code is valid."""

    cookie = "page"

    def sign_in(self, code: str) -> str | None:
        return "signed-in" if code == "right" else None


@pytest.fixture
def source() -> Source:
    return Source(FakeDevice(ConnectionState.UNLINKED, None))


@pytest.fixture
async def http(source: Source) -> AsyncIterator[httpx2.AsyncClient]:
    app = Starlette(routes=page_routes(source, Logins()))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test") as client:
        yield client


async def test_a_code_is_exchanged_for_a_cookie_that_scripts_and_other_sites_do_not_get(
    http: httpx2.AsyncClient,
):
    answer = await http.get("/login", params={"code": "right"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert answer.headers["set-cookie"] == "page=signed-in; HttpOnly; Path=/; SameSite=strict"


async def test_the_cookie_of_an_encrypted_page_is_sent_encrypted_only(http: httpx2.AsyncClient):
    answer = await http.get("https://test/login", params={"code": "right"})

    assert "; Secure" in answer.headers["set-cookie"]


async def test_a_wrong_code_is_told_how_to_sign_in(http: httpx2.AsyncClient):
    for url in ("/login", "/login?code=wrong"):
        answer = await http.get(url)
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
        assert "whatsapp-mcp page" in answer.text


async def test_the_page_of_an_unlinked_account_offers_to_link_and_tells_the_risk(http: httpx2.AsyncClient):
    page = (await http.get("/")).text

    assert 'method="post" action="/link"' in page
    assert "unofficial client" in page


async def test_a_page_reloads_itself_until_the_link_is_up(source: Source, http: httpx2.AsyncClient):
    for state in ConnectionState:
        source.device = FakeDevice(state, "+15550001111")
        for path in ("/", "/link"):
            page = (await http.get(path)).text
            assert (RELOADS in page) is (state is not ConnectionState.ONLINE), (state, path)


async def test_the_link_page_of_an_account_that_is_not_linking_asks_for_no_code(
    source: Source, http: httpx2.AsyncClient
):
    assert source.device is not None
    await http.get("/link")

    assert source.device.asked == []


async def test_a_server_that_is_starting_says_so_on_every_page(source: Source, http: httpx2.AsyncClient):
    source.device = None

    assert [(await http.get(path)).text.count("is starting") for path in ("/", "/link")] == [1, 1]
    assert (await http.post("/link")).headers["location"] == "/link"
    assert (await http.get("/readyz")).status_code == 503


async def test_a_link_that_is_refused_is_told_with_what_to_do(
    source: Source, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    async def refuse(_self: FakeDevice, _phone: str | None = None) -> LinkState:
        raise Busy("Another <host> is there.", "Wait for it.")

    monkeypatch.setattr(FakeDevice, "link", refuse)

    page = (await http.post("/link")).text

    assert "Another &lt;host&gt; is there. Wait for it." in page


async def test_a_page_holds_no_script_and_may_load_nothing_from_elsewhere(http: httpx2.AsyncClient):
    answer = await http.get("/")

    assert "script" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "://" not in re.sub(r'xmlns="[^"]*"', "", answer.text)


async def test_a_page_lets_the_browser_say_that_its_form_is_ours(http: httpx2.AsyncClient):
    """Under `no-referrer` a form's Origin is `null` (Fetch, "append a request Origin header")."""
    assert (await http.get("/")).headers["referrer-policy"] == "same-origin"


def test_the_qr_code_grows_with_its_box():
    shown = link_html(LinkState(ConnectionState.LINKING, 1, qr=QrCode("2@abc,def", NOON)))

    [svg] = re.findall(r"<svg[^>]*>", shown)
    assert "viewBox" in svg
    assert "width=" not in svg


def test_a_pairing_code_is_shown_beside_the_qr_code():
    qr = QrCode("2@abc,def", NOON)
    shown = link_html(LinkState(ConnectionState.LINKING, 1, qr, code="ABCD-EFGH"))

    assert shown.index("<code>ABCD-EFGH</code>") < shown.index("<svg")
