"""The frame of all pages, who gets in, and the pages of the connection."""

from __future__ import annotations

import base64
import hashlib
import re

import httpx2
import pytest
from starlette.routing import Mount, Route

from tests.server.fakes import FakeDevice, ledger_in
from tests.web.site import NOON, RELOADS, Logins, Source, fields, sign_in
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.ledger import Question
from whatsapp_mcp.models import Caller, ConnectionState, LinkState, QrCode
from whatsapp_mcp.server.transports.guard import BEARER_PARTS
from whatsapp_mcp.server.transports.tokens import Tokens
from whatsapp_mcp.web.pages import OPEN_PATHS, site_routes
from whatsapp_mcp.web.site import Site

pytestmark = pytest.mark.anyio


async def test_a_code_is_exchanged_for_a_cookie_that_scripts_and_other_sites_do_not_get(
    http: httpx2.AsyncClient,
):
    answer = await sign_in(http, "/login?code=right")

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert answer.headers["set-cookie"] == "page=signed-in; HttpOnly; Path=/; SameSite=strict"


async def test_the_cookie_of_an_encrypted_page_is_sent_encrypted_only(http: httpx2.AsyncClient):
    answer = await sign_in(http, "https://test/login?code=right")

    assert "; Secure" in answer.headers["set-cookie"]


async def test_a_wrong_code_is_told_how_to_sign_in(http: httpx2.AsyncClient):
    for url in ("/login", "/login?code=wrong"):
        answer = await http.get(url)
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
        assert "whatsapp-mcp page" in answer.text
    for body in ("", "code=wrong", "code", "code=right&code=right"):
        answer = await http.post("/login", content=body)
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_only_looks_at_a_login_url_uses_no_code_up(http: httpx2.AsyncClient, method: str):
    """As previews of chats, scanners of mail and browsers that load ahead do."""
    for _ in range(2):
        seen = await http.request(method, "/login", params={"code": "right"})
        assert (seen.status_code, "set-cookie" in seen.headers) == (200, False)
    assert (await sign_in(http, "/login?code=right")).status_code == 303
    assert (await sign_in(http, "/login?code=right")).status_code == 403


async def test_the_page_of_an_unlinked_account_offers_to_link_and_tells_the_risk(
    http: httpx2.AsyncClient, source: Source
):
    source.device = FakeDevice(ConnectionState.UNLINKED, None)
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
    device: FakeDevice, http: httpx2.AsyncClient
):
    await http.get("/link")

    assert device.asked == []


async def test_a_button_begins_linking_and_a_form_of_elsewhere_does_not(
    source: Source, http: httpx2.AsyncClient
):
    device = source.device = FakeDevice(ConnectionState.UNLINKED, None)

    assert "not valid" in (await http.post("/link", data={"token": "0"})).text
    assert device.asked == []
    begun = await http.post("/link", data=fields((await http.get("/")).text, "/link"))

    assert (begun.status_code, begun.headers["location"], device.asked) == (303, "/link", ["link None"])


async def test_a_server_that_is_starting_says_so_on_every_page(source: Source, http: httpx2.AsyncClient):
    source.device = None

    for path in ("/", "/link", "/approvals"):
        page = (await http.get(path)).text
        assert ("is starting" in page, RELOADS in page) == (True, True), path


async def test_a_link_that_is_refused_is_told_with_what_to_do(
    source: Source, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    async def refuse(_self: FakeDevice, _phone: str | None = None) -> LinkState:
        raise Busy("Another <host> is there.", "Wait for it.")

    monkeypatch.setattr(FakeDevice, "link", refuse)
    source.device = FakeDevice(ConnectionState.UNLINKED, None)

    page = (await http.post("/link", data=fields((await http.get("/")).text, "/link"))).text

    assert "Another &lt;host&gt; is there." in page
    assert "Wait for it." in page


async def test_the_navigation_says_how_many_questions_wait(source: Source, http: httpx2.AsyncClient):
    assert 'class="badge"' not in (await http.get("/")).text
    question = Question(("Send?",), "it is new", "digest", "send", {})

    await ledger_in(source.home).approvals.hold(question, Caller("token:agent"), NOON)

    assert '<span class="badge">1<' in (await http.get("/")).text


async def test_a_page_loads_nothing_but_the_style_and_the_script_of_this_server(
    http: httpx2.AsyncClient, source: Source
):
    source.device = FakeDevice(ConnectionState.LINKING, None)
    answer = await http.get("/")
    policy = answer.headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "://" not in re.sub(r'xmlns="[^"]*"', "", answer.text)
    assert re.findall(r"<style|style=|<script(?! src=)| on\w+=", answer.text) == []
    [(script, digest)] = re.findall(r'<script src="([^"]+)" integrity="([^"]+)"', answer.text)
    content = (await http.get(script)).content
    assert digest == "sha256-" + base64.b64encode(hashlib.sha256(content).digest()).decode()
    assert f"script-src '{digest}'" in policy


async def test_what_pages_load_is_open_to_anybody_and_keeps_its_type(http: httpx2.AsyncClient):
    for path, kind in (("/style.css", "text/css"), ("/live.js", "text/javascript")):
        answer = await http.get(path)
        assert path in OPEN_PATHS
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_page_lets_the_browser_say_that_its_form_is_ours(http: httpx2.AsyncClient):
    """Under `no-referrer` a form's Origin is `null` (Fetch, "append a request Origin header")."""
    assert (await http.get("/")).headers["referrer-policy"] == "same-origin"


async def test_the_qr_code_grows_with_its_box(source: Source, http: httpx2.AsyncClient):
    source.device = FakeDevice(ConnectionState.LINKING, None)

    [svg] = re.findall(r"<svg[^>]*>", (await http.get("/link")).text)
    assert "viewBox" in svg
    assert "width=" not in svg


async def test_a_pairing_code_is_shown_beside_the_qr_code(
    source: Source, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    async def link(_self: FakeDevice, _phone: str | None = None) -> LinkState:
        return LinkState(ConnectionState.LINKING, 1, QrCode("2@abc,def", NOON), code="ABCD-EFGH")

    monkeypatch.setattr(FakeDevice, "link", link)
    source.device = FakeDevice(ConnectionState.LINKING, None)

    page = (await http.get("/link")).text

    assert page.index(">ABCD-EFGH</code>") < page.index("<svg")


async def test_no_page_has_a_path_that_a_token_opens(source: Source):
    """The guard takes a bearer token for everything below these parts."""
    several = (source, Source(None, source.home, account="work"))
    routes = [
        *site_routes([Site(source, "page")], Logins(), Tokens(source.home)),
        *site_routes(
            [Site(each, "page", all_sources=several) for each in several], Logins(), Tokens(source.home)
        ),
    ]
    parts = {route.path.split("/")[1] for route in routes if isinstance(route, Route | Mount)}

    assert len(parts) > 10
    assert parts & BEARER_PARTS == set()
