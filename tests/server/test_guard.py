"""HTTP lets in whoever has the token and came by a name of this server, on every route."""

from __future__ import annotations

import socket
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.server.fakes import FakeDevice, FakeDevices
from whatsapp_mcp.device.operations.protocol import Devices
from whatsapp_mcp.errors import Busy, InvalidArgument
from whatsapp_mcp.models import ConnectionState
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.runtime import Runtime
from whatsapp_mcp.server.transports.http import asgi_app, base_url, page_address, prepare
from whatsapp_mcp.server.transports.token import load_or_make
from whatsapp_mcp.settings import ServerSettings, Settings

pytestmark = pytest.mark.anyio
TOKEN = "a-token-of-this-test"
ROUTES = ["/mcp", "/sse", "/messages/", "/healthz", "/readyz", "/", "/link"]


class OpenRuntime(Runtime):
    """A runtime whose device is there."""

    device = FakeDevice()

    def devices(self) -> Devices | None:
        """The fake."""
        return FakeDevices(self.device)


async def _client(
    home: Path, token: str | None, host: str = "127.0.0.1", allowed_hosts: tuple[str, ...] = ()
) -> AsyncIterator[httpx2.AsyncClient]:
    server = ServerSettings(allowed_hosts=allowed_hosts)
    runtime = OpenRuntime(Settings(home=home, server=server), "default")
    application = create(runtime)
    app = asgi_app(application, runtime, host=host, token=token)
    transport = httpx2.ASGITransport(app=app)
    async with (
        application.session_manager.run(),
        httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8808") as http,
    ):
        yield http


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """A client without a token of a server that wants one."""
    async for client in _client(tmp_path, TOKEN):
        yield client


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8808", "127.0.0.1.evil.example", "a@127.0.0.1", ""]
)
async def test_another_host_name_is_refused_on_every_route(
    http: httpx2.AsyncClient, path: str, host: str
) -> None:
    response = await http.get(path, headers={"Host": host, "Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 421


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
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
    response = await http.get(path, headers={"Origin": origin, "Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 403


@pytest.mark.parametrize("path", ["/mcp", "/sse", "/messages/", "/", "/link", "/nothing"])
@pytest.mark.parametrize("given", ["", "Bearer wrong", f"Basic {TOKEN}", "Bearer", f"Bearer {TOKEN}x"])
async def test_no_token_no_answer(http: httpx2.AsyncClient, path: str, given: str) -> None:
    response = await http.get(path, headers={"Authorization": given} if given else {})
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"


async def test_health_needs_no_token_and_tells_nothing(http: httpx2.AsyncClient) -> None:
    assert (await http.get("/healthz")).text == "ok\n"
    assert (await http.get("/readyz")).text == "ready\n"


async def test_readiness_is_being_online(http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenRuntime, "device", FakeDevice(ConnectionState.RECONNECTING))
    assert (await http.get("/readyz")).status_code == 503


async def test_a_browser_signs_in_once_and_gets_a_cookie_for_pages_alone(http: httpx2.AsyncClient) -> None:
    response = await http.get("/", params={"token": TOKEN})
    assert response.status_code == 303
    assert "HttpOnly" in response.headers["set-cookie"]
    assert "SameSite=strict" in response.headers["set-cookie"]
    page = await http.get("/")
    assert page.status_code == 200
    assert "online" in page.text
    assert (await http.post("/mcp", json={})).status_code == 401


async def test_the_cookie_of_a_browser_opens_pages_and_is_no_token(http: httpx2.AsyncClient) -> None:
    await http.get("/", params={"token": TOKEN})
    [value] = http.cookies.values()
    http.cookies.clear()
    assert TOKEN not in value
    assert (await http.get("/", headers={"Authorization": f"Bearer {value}"})).status_code == 401
    assert (await http.get("/", params={"token": value})).status_code == 401
    for cookie, status in ((value, 200), (TOKEN, 401)):
        headers = {"Cookie": f"whatsapp_mcp_page={cookie}"}
        assert (await http.get("/", headers=headers)).status_code == status


async def test_the_link_page_shows_a_qr_after_the_person_asks(
    http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = FakeDevice(ConnectionState.UNLINKED, None)
    monkeypatch.setattr(OpenRuntime, "device", device)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert "<svg" not in (await http.get("/link", headers=headers)).text
    assert device.asked == []
    assert (await http.post("/link", headers=headers)).status_code == 303
    device.state = ConnectionState.LINKING
    page = await http.get("/link", headers=headers)
    assert "<svg" in page.text
    assert "script" not in page.text


async def test_an_address_is_a_fine_host_where_other_machines_may_come(tmp_path: Path) -> None:
    async for http in _client(tmp_path, TOKEN, "0.0.0.0"):
        assert (await http.get("/healthz", headers={"Host": "192.168.1.7:8808"})).status_code == 200
        assert (await http.get("/healthz", headers={"Host": "evil.example"})).status_code == 421


ALLOWED = ("host.docker.internal", "HomeAssistant.local:8123", "*.example.org", "fd00::7")


@pytest.mark.parametrize("bound_to", ["0.0.0.0", "127.0.0.1"])
@pytest.mark.parametrize(
    ("host", "status"),
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
    tmp_path: Path, bound_to: str, host: str, status: int
) -> None:
    async for http in _client(tmp_path, TOKEN, bound_to, ALLOWED):
        assert (await http.get("/healthz", headers={"Host": host})).status_code == status


async def test_the_refusal_of_a_name_tells_which_setting_admits_it(tmp_path: Path) -> None:
    async for http in _client(tmp_path, TOKEN, "0.0.0.0"):
        response = await http.get("/healthz", headers={"Host": "nas.local:8808"})
        assert response.status_code == 421
        assert '"nas.local"' in response.text
        assert "server.allowed_hosts" in response.text
    async for http in _client(tmp_path, TOKEN, "0.0.0.0", ("nas.local",)):
        assert (await http.get("/healthz", headers={"Host": "nas.local:8808"})).status_code == 200


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1:8808", "http://127.0.0.1:8808", 200),
        ("wa.example.org", "https://wa.example.org", 200),
        ("wa.example.org:8443", "https://wa.example.org:8443", 200),
        ("wa.example.org", "https://wa.example.org:8443", 403),
        ("wa.example.org", "https://other.example.org", 403),
        ("wa.example.org:80", "https://wa.example.org", 403),
    ],
)
async def test_pages_of_this_very_origin_are_let_in_and_no_others(
    tmp_path: Path, host: str, origin: str, status: int
) -> None:
    async for http in _client(tmp_path, TOKEN, "127.0.0.1", ALLOWED):
        response = await http.get("/healthz", headers={"Host": host, "Origin": origin})
        assert response.status_code == status


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


def test_the_page_to_link_on_is_named_without_its_token(tmp_path: Path) -> None:
    base = "http://127.0.0.1:8765"
    assert page_address(base, None) == f"{base}/link"
    assert page_address(base, tmp_path / "t") == f"{base}/?token=TOKEN with the token in {tmp_path / 't'}"


def test_no_token_is_possible_on_loopback_only(tmp_path: Path) -> None:
    runtime = Runtime(Settings(home=tmp_path), "default")
    with pytest.raises(InvalidArgument, match="--no-auth"):
        prepare(create(runtime), runtime, host="0.0.0.0", port=0, auth=False)


def test_the_token_is_made_once_and_is_private(tmp_path: Path) -> None:
    home = tmp_path / "home"
    token = load_or_make(home)
    assert load_or_make(home) == token
    assert len(token) >= 40
    assert stat.S_IMODE((home / "http-token").stat().st_mode) == 0o600
    assert [entry.name for entry in home.iterdir()] == ["http-token"]


@pytest.mark.skipif(sys.platform == "win32", reason="no such modes there")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_token_that_others_can_read_is_made_private_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int
) -> None:
    token = load_or_make(tmp_path)
    file = tmp_path / "http-token"
    file.chmod(mode)
    assert load_or_make(tmp_path) == token
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert f"{file} could be read by other users (mode {mode:04o})" in caplog.text
    assert token not in caplog.text
    caplog.clear()
    assert load_or_make(tmp_path) == token
    assert not caplog.text


@pytest.mark.skipif(sys.platform == "win32", reason="no such modes there")
def test_a_token_that_others_can_read_is_refused_when_it_cannot_be_made_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_or_make(tmp_path)
    (tmp_path / "http-token").chmod(0o644)

    def refused(_path: Path, _mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refused)
    with pytest.raises(Busy, match=r"other users \(mode 0644\)"):
        load_or_make(tmp_path)
