"""A site whose server is a stand-in, and a browser without a screen."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx2
from starlette.applications import Starlette

from tests.server.fakes import FakeDevice, FakeDevices, ledger_in
from whatsapp_mcp.models import AgentStatus, ConnectionStatus, SendResult, SendStatus
from whatsapp_mcp.server.tools import declared
from whatsapp_mcp.server.transports.tokens import Tokens
from whatsapp_mcp.settings import CurrentSettings, Settings
from whatsapp_mcp.web import Opened, ToolFacts
from whatsapp_mcp.web.pages import site_routes
from whatsapp_mcp.web.site import Site

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
RELOADS = 'http-equiv="refresh"'
COOKIE = "page"


@dataclass
class PageDevice(FakeDevice):
    """Notes what pages ask for beyond what tools do; `agents` are who writes to agents."""

    agents: AgentStatus = field(default_factory=AgentStatus)

    async def agent_status(self) -> AgentStatus:
        return self.agents

    async def pair(self, code: str) -> None:
        self._act(f"pair {code}")

    async def drop_pairing(self, chat: str) -> None:
        self._act(f"drop {chat}")

    async def pause(self, until: datetime | None = None) -> ConnectionStatus:
        self._act(f"pause {until and f'{until:%d %H:%M}'}")
        return await self.status()

    async def resume(self) -> ConnectionStatus:
        self._act("resume")
        return await self.status()

    async def confirm_person(self, jid: str, known: bool) -> None:
        self._act(f"confirm {jid} {known}")

    async def cancel_send(self, chat: str, send_id: int) -> SendResult:
        self._act(f"cancel {chat} {send_id}")
        return SendResult(send_id, chat, SendStatus.FAILED, reason="Cancelled.")

    async def clear_exposures(self, principal: str | None = None) -> None:
        self._act(f"clear {principal}")


@dataclass
class Source:
    """A server with this device and archive, or one that is still starting."""

    device: FakeDevice | None
    home: Path
    archive: Any = None
    account: str = "default"

    def __post_init__(self) -> None:
        self.current = CurrentSettings(Settings(home=self.home, timezone="UTC"), self.account)

    def declared(self, tool: str) -> ToolFacts | None:
        return declared(tool)

    def opened(self) -> Opened | None:
        if self.device is None:
            return None
        return Opened(FakeDevices(self.device), self.archive, ledger_in(self.home))


class Logins:
    """One code is valid."""

    cookie = COOKIE

    used: bool = False

    def takes(self, code: str) -> bool:
        return code == "right" and not self.used

    def sign_in(self, code: str) -> str | None:
        if not self.takes(code):
            return None
        self.used = True
        return "signed-in"


@asynccontextmanager
async def browser(source: Source) -> AsyncIterator[httpx2.AsyncClient]:
    """A signed-in one; it is noon."""
    app = Starlette(routes=site_routes([Site(source, COOKIE, lambda: NOON)], Logins(), Tokens(source.home)))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as http:
        http.cookies.set(COOKIE, "mine")
        yield http


class Texts(HTMLParser):
    """The texts of a page, each with whether an element around it has a direction of its own."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, bool]] = []
        self._open: list[tuple[str, bool]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "link", "input", "img", "br", "path"}:
            self._open.append((tag, tag == "bdi" or ("dir", "auto") in attrs))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.found.append((data, any(is_apart for _, is_apart in self._open)))


def fields(page: str, action: str) -> dict[str, str]:
    """The hidden fields of the first form that leads there."""
    form = re.search(rf'<form method="post" action="{re.escape(action)}".*?</form>', page, re.DOTALL)
    assert form is not None, page
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form[0]))


async def sign_in(http: httpx2.AsyncClient, url: str) -> httpx2.Response:
    """Open a login URL and press its button; what that answers."""
    page = await http.get(url)
    if page.status_code != 200:
        return page
    at = page.url
    origin = f"{at.scheme}://{at.netloc.decode()}"
    form = fields(page.text, "/login")
    return await http.post(f"{origin}/login", data=form, headers={"Origin": origin})
