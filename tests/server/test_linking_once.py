"""The page that `whatsapp-mcp link` serves for one linking: one browser sees the code, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import anyio
import httpx2
import pytest

from tests.web.site import RELOADS, sign_in
from whatsapp_mcp.errors import NotLinked
from whatsapp_mcp.models import ConnectionState, LinkState, QrCode
from whatsapp_mcp.server.transports import LinkPage, serve_link_page
from whatsapp_mcp.web.layout import qr_svg

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
ONE = LinkState(ConnectionState.LINKING, 1, qr=QrCode("2@one", NOON))
TWO = LinkState(ConnectionState.LINKING, 2, qr=QrCode("2@two", NOON))
LINKED = LinkState(ConnectionState.ONLINE, 3, number="+15550001111")


@pytest.fixture
async def served() -> AsyncIterator[tuple[LinkPage, str]]:
    async with serve_link_page() as (page, url):
        page.state = ONE
        yield page, url


def browser() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(follow_redirects=True, trust_env=False, timeout=10)


async def test_the_page_follows_the_codes_and_ends_with_the_outcome(served: tuple[LinkPage, str]):
    page, url = served
    async with browser() as http:
        shown = await sign_in(http, url)
        assert qr_svg("2@one") in shown.text
        assert RELOADS in shown.text
        page.state = TWO
        assert qr_svg("2@two") in (await http.get(shown.url)).text
        page.state = LINKED
        last = (await http.get(shown.url)).text
    assert "The phone is linked." in last
    assert "<svg" not in last
    assert RELOADS not in last


async def test_the_url_lets_in_the_first_browser_alone(served: tuple[LinkPage, str]):
    _, url = served
    async with browser() as first, browser() as second:
        assert (await first.head(url)).status_code == 200
        assert (await sign_in(first, url)).status_code == 200
        refused = await second.get(url)
        assert refused.status_code == 403
        assert "opens once" in refused.text
        assert (await second.get(refused.url.join("/"))).status_code == 403
        assert "<svg" not in refused.text


@pytest.mark.parametrize("code", ["", "guess", "é"])
async def test_another_code_lets_nobody_in_and_does_not_use_the_url_up(
    served: tuple[LinkPage, str], code: str
):
    _, url = served
    async with browser() as http:
        refused = await http.get(url.partition("?")[0], params={"code": code})
        assert refused.status_code == 403
        assert (await sign_in(http, url)).status_code == 200


async def test_the_page_answers_to_its_own_name_alone_and_is_kept_nowhere(served: tuple[LinkPage, str]):
    _, url = served
    async with browser() as http:
        rebound = await http.get(url, headers={"Host": "evil.example"})
        assert rebound.status_code == 421
        shown = await sign_in(http, url)
    assert shown.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in shown.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/chats", "/link", "/settings", "/mcp", "/api/v1/chats", "/healthz"])
async def test_nothing_else_is_there(served: tuple[LinkPage, str], path: str):
    _, url = served
    async with browser() as http:
        shown = await sign_in(http, url)
        assert "<nav" not in shown.text
        assert (await http.get(shown.url.join(path))).status_code == 404


@pytest.mark.parametrize("state", [LINKED, LinkState(ConnectionState.UNLINKED, 3, reason="Expired.")])
async def test_the_browser_gets_the_outcome_before_the_port_is_closed(state: LinkState):
    async with browser() as http, anyio.create_task_group() as tasks:
        told: list[str] = []

        async def asks(url: httpx2.URL) -> None:
            told.append((await http.get(url)).text)

        with anyio.fail_after(10):
            async with serve_link_page() as (page, url):
                page.state = ONE
                shown = await sign_in(http, url)
                page.state = state
                tasks.start_soon(asks, shown.url)
        assert len(told) == 1
        assert "linked" in told[0]
        with pytest.raises(httpx2.TransportError):
            await http.get(shown.url)


async def test_what_linking_raises_is_raised_as_it_is():
    with pytest.raises(NotLinked):
        async with serve_link_page():
            raise NotLinked("Expired.")
