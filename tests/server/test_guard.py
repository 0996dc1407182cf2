"""HTTP lets in whoever has the token and came by a name of this server, on every route."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.server.fakes import FakeDevice, FakeDevices, ledger_in
from tests.tables import for_each
from tests.web.site import fields, sign_in
from whatsapp_mcp.archive import ReadingArchive
from whatsapp_mcp.errors import Busy, Denied
from whatsapp_mcp.models import ConnectionState
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.calls import Principal
from whatsapp_mcp.server.runtime import Runtime
from whatsapp_mcp.server.transports.guard import Verify
from whatsapp_mcp.server.transports.http import asgi_app, page_command
from whatsapp_mcp.server.transports.limits import UNADMITTED
from whatsapp_mcp.server.transports.oauth import ResourceServer
from whatsapp_mcp.server.transports.page_login import PageLogins, _code
from whatsapp_mcp.server.transports.place import base_url
from whatsapp_mcp.settings import OAuthSettings, ServerSettings, Settings
from whatsapp_mcp.web import Opened

pytestmark = pytest.mark.anyio
TOKEN = "a-token-of-this-test"
MCP_ROUTES = ["/mcp", "/sse", "/messages/", "/api/v1/events", "/metrics"]
PAGES = ["/", "/link", "/nothing"]
ROUTES = [*MCP_ROUTES, *PAGES, "/healthz", "/readyz", "/login"]


class OpenRuntime(Runtime):
    """A runtime whose device is there."""

    device = FakeDevice()

    def opened(self) -> Opened | None:
        """The fake, with an archive that is not there yet."""
        archive = ReadingArchive(self.settings.account_folder())
        return Opened(FakeDevices(self.device), archive, ledger_in(self.settings.home))


URL = "http://127.0.0.1:8808"
CHALLENGE = f'Bearer resource_metadata="{URL}/.well-known/oauth-protected-resource/mcp", scope="read send"'
METADATA = {
    "resource",
    "authorization_servers",
    "scopes_supported",
    "bearer_methods_supported",
    "resource_name",
}
LOGINS = PageLogins("whatsapp_mcp_page_8808")
SESSION = LOGINS.sign_in(_code(LOGINS.key, "n", int(LOGINS.clock()) + 60)) or ""
BEARER = {"Authorization": f"Bearer {TOKEN}"}
COOKIE = {"Cookie": f"{LOGINS.cookie}={SESSION}"}


async def verify(token: str) -> Principal | None:
    """The one token of these tests, and some that are not enough."""
    if token == "of-a-stranger":
        raise Denied("This user may not use this server.")
    if token == "of-an-issuer-that-is-away":
        raise Busy("The OAuth issuer does not answer.", retry_after=30)
    if token == "without-scopes":
        return Principal("oauth:me", frozenset())
    return Principal("token:test") if token == TOKEN else None


async def _client(
    home: Path,
    host: str = "127.0.0.1",
    allowed_hosts: tuple[str, ...] = (),
    public_url: str | None = None,
    proxies: tuple[str, ...] = (),
    verify: Verify | None = verify,
) -> AsyncIterator[httpx2.AsyncClient]:
    server = ServerSettings(allowed_hosts=allowed_hosts, public_url=public_url, trusted_proxies=proxies)
    runtime = OpenRuntime(Settings(home=home, server=server), "default")
    application = create(runtime)
    oauth = ResourceServer.of(OAuthSettings(issuer="https://login.example.org", subjects=("me",)), URL, None)
    app = asgi_app(application, [runtime], host=host, verify=verify, logins=LOGINS, oauth=oauth)
    transport = httpx2.ASGITransport(app=app)
    async with (
        application.session_manager.run(),
        httpx2.AsyncClient(transport=transport, base_url=URL) as http,
    ):
        yield http


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """A client without a token of a server that wants one."""
    async for client in _client(tmp_path):
        yield client


@for_each("path", ROUTES)
@for_each("host", ["evil.example", "evil.example:8808", "127.0.0.1.evil.example", "a@127.0.0.1", ""])
async def test_another_host_name_is_refused_on_every_route(
    http: httpx2.AsyncClient, path: str, host: str
) -> None:
    response = await http.get(path, headers={"Host": host, **BEARER, **COOKIE})
    assert response.status_code == 421


@for_each("path", ROUTES)
@for_each(
    "origin",
    [
        "http://evil.example",
        "null",
        "file://",
        "http://127.0.0.1.evil.example",
        "http://127.0.0.1",
        "http://127.0.0.1:3000",
        "http://localhost:8808",
        "http://127.0.0.1:8808/path",
    ],
)
async def test_another_origin_is_refused_on_every_route(
    http: httpx2.AsyncClient, path: str, origin: str
) -> None:
    response = await http.get(path, headers={"Origin": origin, **BEARER, **COOKIE})
    assert response.status_code == 403


@for_each(
    "path",
    [
        *(route for route in ROUTES if route != "/sse"),
        "/style.css",
        "/.well-known/nothing",
        "/api/v1/openapi.json",
    ],
)
@for_each("headers", [{}, {**BEARER, **COOKIE}, {"Origin": "http://evil.example"}])
async def test_no_page_of_another_origin_may_embed_an_answer(
    http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, path: str, headers: dict[str, str]
) -> None:
    monkeypatch.setattr("whatsapp_mcp.server.runtime.OPEN_LIMIT", 0.0)  # its account is never opened
    async with http.stream("HEAD", path, headers=headers) as response:
        assert response.headers.get_list("Cross-Origin-Resource-Policy") == ["same-origin"]


@for_each("path", [*MCP_ROUTES, "/mcp/", "/messages"])
@for_each("given", ["", "Bearer wrong", f"Basic {TOKEN}", "Bearer", f"Bearer {TOKEN}x"])
async def test_no_token_no_answer(http: httpx2.AsyncClient, path: str, given: str) -> None:
    response = await http.get(path, headers={"Authorization": given} if given else {})
    assert response.status_code == 401
    invalid = ', error="invalid_token"' if given else ""
    assert response.headers["www-authenticate"] == f"{CHALLENGE}{invalid}"


async def test_health_needs_no_token_and_tells_nothing(http: httpx2.AsyncClient) -> None:
    assert (await http.get("/healthz")).text == "ok\n"
    assert (await http.get("/readyz")).text == "ready\n"


async def test_readiness_is_being_online(http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenRuntime, "device", FakeDevice(ConnectionState.RECONNECTING))
    assert (await http.get("/readyz")).status_code == 503


@for_each("path", MCP_ROUTES)
@for_each(
    "token, status, header",
    [
        ("of-a-stranger", 403, ("www-authenticate", None)),
        ("without-scopes", 403, ("www-authenticate", f'{CHALLENGE}, error="insufficient_scope"')),
        ("of-an-issuer-that-is-away", 503, ("retry-after", "30")),
    ],
)
async def test_a_token_that_is_not_enough_opens_nothing(
    http: httpx2.AsyncClient, path: str, token: str, status: int, header: tuple[str, str | None]
) -> None:
    answer = await http.get(path, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.headers.get(header[0])) == (status, header[1])


@for_each("path", MCP_ROUTES)
@for_each("site", ["cross-site", "same-site"])
async def test_a_picture_of_another_page_is_no_request(
    http: httpx2.AsyncClient, path: str, site: str
) -> None:
    answer = await http.get(path, headers={**BEARER, "Sec-Fetch-Site": site})
    assert answer.status_code == 403
    assert "another origin" in answer.text


@for_each("path", ["/", "/search?q=secret", "/media/7", "/login?code=x", "/style.css"])
@for_each("site", ["cross-site", "same-site"])
@for_each("kind", ["image", "script", "iframe", "empty", "object", None])
async def test_another_page_neither_embeds_a_page_nor_measures_one(
    http: httpx2.AsyncClient, path: str, site: str, kind: str | None
) -> None:
    """Browsers send the cookie from each port of a host."""
    asked = {"Sec-Fetch-Site": site} | ({} if kind is None else {"Sec-Fetch-Dest": kind})
    answer = await http.get(path, headers={**COOKIE, **asked})
    assert answer.status_code == 403
    assert "another origin" in answer.text


async def test_a_link_of_another_page_leads_to_a_page(http: httpx2.AsyncClient) -> None:
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}
    assert (await http.get("/", headers={**COOKIE, **followed})).status_code == 200


@for_each("path", PAGES)
@for_each("method", ["GET", "POST"])
async def test_a_bearer_token_opens_no_page(http: httpx2.AsyncClient, path: str, method: str) -> None:
    response = await http.request(method, path, headers={**BEARER, "Origin": "http://127.0.0.1:8808"})
    assert response.status_code == 403
    assert "whatsapp-mcp page" in response.text


@for_each("path", MCP_ROUTES)
async def test_a_session_of_the_pages_is_no_token(http: httpx2.AsyncClient, path: str) -> None:
    for headers in (COOKIE, {"Authorization": f"Bearer {SESSION}"}):
        assert (await http.get(path, headers=headers)).status_code == 401


async def test_a_token_in_the_address_opens_nothing(http: httpx2.AsyncClient) -> None:
    assert (await http.get("/", params={"token": TOKEN})).status_code == 403
    assert (await http.post("/mcp", params={"token": TOKEN}, json={})).status_code == 401


async def test_a_login_url_signs_a_browser_in_once(http: httpx2.AsyncClient) -> None:
    code = _code(LOGINS.key, "once", int(LOGINS.clock()) + 60)
    url = f"/login?code={code}"
    for method in ("GET", "HEAD"):
        assert (await http.request(method, url)).status_code == 200
    for headers in ({}, {"Origin": "http://evil.example"}):
        assert (await http.post("/login", data={"code": code}, headers=headers)).status_code == 403
    response = await sign_in(http, url)
    assert (response.status_code, response.headers["location"]) == (303, "/")
    assert "HttpOnly" in response.headers["set-cookie"]
    assert "SameSite=strict" in response.headers["set-cookie"]
    page = await http.get("/")
    assert page.status_code == 200
    assert "online" in page.text
    again = await sign_in(http, url)
    assert again.status_code == 403
    assert "set-cookie" not in again.headers


async def test_the_link_page_shows_a_qr_after_the_person_asks(
    http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = FakeDevice(ConnectionState.UNLINKED, None)
    monkeypatch.setattr(OpenRuntime, "device", device)
    assert "<svg" not in (await http.get("/link", headers=COOKIE)).text
    assert device.asked == []
    assert (await http.post("/link", headers=COOKIE)).status_code == 403
    assert device.asked == []
    own_page = {**COOKIE, "Origin": "http://127.0.0.1:8808"}
    form = fields((await http.get("/", headers=COOKIE)).text, "/link")
    assert (await http.post("/link", headers=own_page, data=form)).status_code == 303
    device.state = ConnectionState.LINKING
    page = await http.get("/link", headers=COOKIE)
    assert "<svg" in page.text


async def test_no_answer_lets_pages_of_other_origins_read_it(http: httpx2.AsyncClient) -> None:
    for path in ROUTES:
        headers = {**BEARER, **COOKIE, "Origin": "http://evil.example"}
        asked = {**headers, "Access-Control-Request-Method": "POST"}
        for answer in (await http.get(path, headers=headers), await http.options(path, headers=asked)):
            assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nothing"), ("POST", "/nothing"), ("GET", "/acts/clear")]
)
async def test_an_address_without_a_page_is_told_to_a_person_in_the_frame_of_the_pages(
    http: httpx2.AsyncClient, method: str, path: str
) -> None:
    answer = await http.request(method, path, headers={"Origin": URL, **COOKIE})
    assert answer.status_code == (405 if path == "/acts/clear" else 404)
    assert "There is no page at this address." in answer.text
    assert '<nav aria-label="Pages">' in answer.text
    assert answer.headers["cache-control"] == "no-store"


async def test_an_address_without_a_page_tells_nobody_else_anything(http: httpx2.AsyncClient) -> None:
    known, unknown = await http.get("/settings"), await http.get("/nothing")
    assert (unknown.status_code, unknown.text) == (known.status_code, known.text)
    for path, headers in (("/.well-known/nothing", {}), ("/mcp/nothing", BEARER), ("/api/nothing", BEARER)):
        answer = await http.get(path, headers={**headers, **COOKIE})
        assert answer.status_code == 404
        assert "<html" not in answer.text


async def test_a_body_that_is_too_large_is_refused(http: httpx2.AsyncClient) -> None:
    body = b"x" * (4 * 1024 * 1024 + 1)
    for path, headers in (("/mcp", BEARER), ("/link", {**COOKIE, "Origin": "http://127.0.0.1:8808"})):
        assert (await http.post(path, headers=headers, content=body)).status_code == 413


async def test_an_address_that_guesses_tokens_is_told_to_wait_and_a_valid_token_is_not(
    http: httpx2.AsyncClient,
) -> None:
    guard = http._transport.app  # pyright: ignore[reportAttributeAccessIssue]
    guard.unadmitted.clock = lambda: 0.0
    for _ in range(int(UNADMITTED.burst)):
        assert (await http.get("/mcp", headers={"Authorization": "Bearer wrong"})).status_code == 401
    refused = await http.get("/mcp", headers={"Authorization": "Bearer wrong"})
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert (await http.get("/messages/", headers=BEARER)).status_code == 405
    assert (await http.get("/", headers=COOKIE)).status_code == 200


@for_each("path", ["*", "", "//", "//link", "/./link", "http://127.0.0.1:8808/link", "/\0"])
async def test_a_path_that_no_client_sends_is_refused(http: httpx2.AsyncClient, path: str) -> None:
    guard = http._transport.app  # pyright: ignore[reportAttributeAccessIssue]
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "OPTIONS",
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1:8808")],
        "scheme": "http",
        "server": ("127.0.0.1", 8808),
        "client": ("127.0.0.1", 1234),
    }
    await guard(scope, None, send)
    assert sent[0]["status"] == 403


async def test_every_method_of_every_route_answers_no_data_to_strangers(http: httpx2.AsyncClient) -> None:
    """Health says one word, the metadata where to sign in with OAuth; everything else is refused."""
    guard = http._transport.app  # pyright: ignore[reportAttributeAccessIssue]
    paths = {route.path for route in guard.app.app.app.routes} | {"/nothing", "/.well-known/any"}
    assert paths >= {"/mcp", "/sse", "/", "/link"}
    for path in sorted(paths):
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
            guard.unadmitted._levels.clear()
            answer = await http.request(method, path, headers={"Origin": "http://127.0.0.1:8808"})
            if path.startswith("/.well-known/oauth") and method in {"GET", "HEAD"}:
                assert set(answer.json() if answer.text else METADATA) == METADATA
                continue
            if path in {"/healthz", "/readyz"} and method in {"GET", "HEAD"}:
                assert answer.text in {"ok\n", "ready\n", ""}
                continue
            if path in {"/style.css", "/live.js"} and method in {"GET", "HEAD"}:
                continue
            assert answer.status_code in {401, 403, 404, 405}, (method, path)
            assert "+1" not in answer.text
            assert "default" not in answer.text


async def test_an_address_is_a_fine_host_where_other_machines_may_come(tmp_path: Path) -> None:
    async for http in _client(tmp_path, "0.0.0.0"):
        assert (await http.get("/healthz", headers={"Host": "192.168.1.7:8808"})).status_code == 200
        assert (await http.get("/healthz", headers={"Host": "evil.example"})).status_code == 421


ALLOWED = ("host.docker.internal", "HomeAssistant.local:8123", "*.example.org", "fd00::7")


@pytest.fixture(params=["0.0.0.0", "127.0.0.1"])
async def listing(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a server that has further names, bound to each kind of address."""
    async for client in _client(tmp_path, request.param, ALLOWED):
        yield client


@for_each(
    "host, status",
    [
        ("host.docker.internal", 200),
        ("host.docker.internal:8808", 200),
        ("homeassistant.local", 200),
        ("HOMEASSISTANT.LOCAL:8808", 200),
        ("wa.example.org", 200),
        ("a.wa.example.org", 421),
        ("example.org", 421),
        ("wa.example.org.evil.example", 421),
        ("*.example.org", 200),
        ("localhost", 200),
        ("[fd00::7]:8808", 200),
    ],
)
async def test_listed_names_are_answered_and_no_others(
    listing: httpx2.AsyncClient, host: str, status: int
) -> None:
    assert (await listing.get("/healthz", headers={"Host": host})).status_code == status


async def test_the_refusal_of_a_name_tells_which_setting_admits_it(tmp_path: Path) -> None:
    async for http in _client(tmp_path, "0.0.0.0"):
        response = await http.get("/healthz", headers={"Host": "nas.local:8808"})
        assert response.status_code == 421
        assert '"nas.local"' in response.text
        assert "server.allowed_hosts" in response.text
    async for http in _client(tmp_path, "0.0.0.0", ("nas.local",)):
        assert (await http.get("/healthz", headers={"Host": "nas.local:8808"})).status_code == 200


@for_each(
    "host, origin, status",
    [
        ("127.0.0.1:8808", "http://127.0.0.1:8808", 200),
        ("wa.example.org", "https://wa.example.org", 200),
        ("wa.example.org:8443", "https://wa.example.org:8443", 200),
        ("wa.example.org", "https://wa.example.org:8443", 403),
        ("wa.example.org", "https://other.example.org", 403),
        ("wa.example.org:80", "https://wa.example.org", 403),
    ],
)
@pytest.mark.parametrize("listing", ["127.0.0.1"], indirect=True)
async def test_pages_of_this_very_origin_are_let_in_and_no_others(
    listing: httpx2.AsyncClient, host: str, origin: str, status: int
) -> None:
    response = await listing.get("/healthz", headers={"Host": host, "Origin": origin})
    assert response.status_code == status


@pytest.fixture(params=[(), ("127.0.0.1",)])
async def public(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a server that has a public URL, without and with a proxy on this computer."""
    async for client in _client(tmp_path, public_url="https://wa.example.org", proxies=request.param):
        yield client


@for_each(
    "host, origin, status",
    [
        ("wa.example.org", "https://wa.example.org", 200),
        ("127.0.0.1:8808", "https://wa.example.org", 200),
        ("wa.example.org", "http://wa.example.org:81", 403),
        ("127.0.0.1:8808", "http://wa.example.org", 403),
        ("127.0.0.1:8808", "https://evil.example", 403),
        ("other.example.org", "https://wa.example.org", 421),
    ],
)
async def test_the_public_url_is_a_name_and_an_origin_of_this_server(
    public: httpx2.AsyncClient, host: str, origin: str, status: int
) -> None:
    response = await public.get("/healthz", headers={"Host": host, "Origin": origin})
    assert response.status_code == status


@for_each("path", ROUTES)
@for_each(
    "host, forwarded",
    [
        ("evil.example:8808", "127.0.0.1:8808"),
        ("evil.example", "wa.example.org"),
        ("127.0.0.1:8808", "evil.example"),
        ("127.0.0.1:8808", "wa.example.org, evil.example"),
        ("127.0.0.1:8808", "a@wa.example.org"),
        ("127.0.0.1:8808", ""),
    ],
)
@pytest.mark.parametrize("public", [("127.0.0.1",)], indirect=True)
async def test_a_name_that_a_proxy_forwards_and_the_one_that_it_replaces_are_judged_alike(
    public: httpx2.AsyncClient, path: str, host: str, forwarded: str
) -> None:
    """A page under a name that resolves to loopback comes from where a proxy of this computer does."""
    proxied = {"Host": host, "X-Forwarded-Host": forwarded}
    assert (await public.get(path, headers={**proxied, **BEARER, **COOKIE})).status_code == 421
    fine = {"Host": "127.0.0.1:8808", "X-Forwarded-Host": "wa.example.org"}
    assert (await public.get("/healthz", headers=fine)).status_code == 200


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host"])
async def test_without_tokens_no_request_is_answered_that_came_through_a_proxy(
    tmp_path: Path, header: str
) -> None:
    async for http in _client(tmp_path, verify=None):
        assert (await http.get("/api/v1/chats")).status_code != 403
        refused = await http.get("/api/v1/chats", headers={header: "203.0.113.9"})
        assert refused.status_code == 403
        assert "--no-auth" in refused.text


@pytest.mark.parametrize(
    ("host", "name"),
    [("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("::", "::1"), ("::1", "::1")],
)
def test_the_printed_address_can_be_opened(host: str, name: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"this machine has no {host}")
    with listener:
        url = httpx2.URL(base_url(*listener.getsockname()[:2]))
        assert (url.scheme, url.host) == ("http", name)
        assert url.port is not None
        socket.create_connection((url.host, url.port), timeout=5).close()


@pytest.mark.parametrize(("account", "said"), [("default", ""), ("work", " --account work")])
def test_the_command_that_signs_in_names_the_account(account: str, said: str) -> None:
    assert page_command(account) == f"whatsapp-mcp page{said}"
