"""The pages of a filled account on a real port, behind the guard, and a Chromium that is signed in there."""

from __future__ import annotations

import importlib
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import anyio

from tests.server.fakes import FakeDevices, ledger_in
from tests.web.site import PageDevice
from tests.web.world import ANN, BEN, CLUB, EVE, HOSTILE, NOON, fill
from whatsapp_mcp.archive import Archive, open_archive, outbox
from whatsapp_mcp.device.connection.device_storage import record_in
from whatsapp_mcp.ledger import AuditEntry, Exposure
from whatsapp_mcp.models import (
    AgentChat,
    AgentStatus,
    Approval,
    ApprovalState,
    Authorship,
    Caller,
    ConnectionState,
    Pairing,
    SendRequest,
    TextContent,
)
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.runtime import Runtime
from whatsapp_mcp.server.transports.connections import limits_of_this_process
from whatsapp_mcp.server.transports.http import asgi_app, uvicorn_server
from whatsapp_mcp.server.transports.page_login import PageLogins, announce, login_url
from whatsapp_mcp.server.transports.tokens import Tokens
from whatsapp_mcp.settings import load
from whatsapp_mcp.web import Opened

CHROMIUM: Final = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
QUESTION: Final = Approval(
    "k7mq2x",
    ApprovalState.OPEN,
    "send_message",
    "claude-code",
    ("Send this text:", "The code of the door is 4711. <b>Come in!</b>\u202e\nSee you", "to +15550009999"),
    "the recipient is not in the address book",
    NOON,
    NOON + timedelta(minutes=42),
)


AGENTS: Final = AgentStatus(
    (AgentChat(ANN, "Ann Lee", "command", 1),),
    (
        Pairing(EVE, "482913", datetime.now(UTC), name=HOSTILE),
        Pairing(BEN, "771204", NOON, NOON, "Ben Okafor"),
    ),
    0.42,
)


class _Runtime(Runtime):
    """A server whose device is a stand-in and whose archive is the world's."""

    device: PageDevice
    archive: Archive

    def opened(self) -> Opened | None:
        return Opened(FakeDevices(self.device), self.archive, ledger_in(self.settings.home))


@dataclass(frozen=True)
class Served:
    """A server that runs."""

    url: str
    home: Path
    device: PageDevice
    archive: Archive

    def login_url(self) -> str:
        """What `whatsapp-mcp page` prints."""
        return login_url(load(self.home).account_folder())


@asynccontextmanager
async def served(home: Path, device: PageDevice | None = None, config: str = "") -> AsyncIterator[Served]:
    """Serve the pages of the world, with this `config.toml`, until the end of the block."""
    (home / "config.toml").write_text(config, encoding="utf-8")
    settings = load(home)
    folder = settings.account_folder()
    folder.create()
    device = device or PageDevice()
    device.held = QUESTION
    device.agents = AGENTS
    async with open_archive(folder, write=True, now=lambda: NOON) as archive:
        await fill(archive)
        await _schedule(archive)
        runtime = _Runtime(settings, "default")
        runtime.device, runtime.archive = device, archive
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = listener.getsockname()
            url = f"http://127.0.0.1:{address[1]}"
            logins = PageLogins(f"page_{address[1]}")
            application = create(runtime)
            app = asgi_app(application, [runtime], host="127.0.0.1", verify=None, logins=logins)
            server = uvicorn_server(app, limits_of_this_process())
            await _record(settings.home)
            async with anyio.create_task_group() as tasks, application.session_manager.run():
                tasks.start_soon(lambda: server._serve(sockets=[listener]))
                announce(folder, logins, url, address)
                yield Served(url, home, device, archive)
                tasks.cancel_scope.cancel()


async def _schedule(archive: Archive) -> None:
    """Two messages wait for their moment, one of them for a yes as well."""
    known = Authorship(Caller("token:n8n"), (), "")
    for days, held in ((1, False), (2, True)):
        at = NOON + timedelta(days=days)
        request = SendRequest(ANN, TextContent(f"Happy birthday! {HOSTILE}"), at=at, unless_reply=held)
        await archive.write(outbox.add, request, scheduling=known, held=held)


async def _record(home: Path) -> None:
    """Two agents have acted, an application has a token, and the connection was down."""
    ledger = ledger_in(home)
    agent = Caller("token:n8n", "n8n", "send_message")
    sent = AuditEntry(agent, "send", (ANN,), verdict="allow", rule='mode = "standard"')
    ledger.audit.end(await ledger.audit.begin(sent), sent)
    asked = AuditEntry(agent, "send", (EVE,), verdict="ask", approval="k7mq2x", outcome="APPROVAL_REQUIRED")
    await ledger.audit.note(asked)
    denied = AuditEntry(agent, "delete_chat", (CLUB,), verdict="deny", rule="tools_off", outcome="DENIED")
    await ledger.audit.note(denied)
    ledger.audit.read(
        AuditEntry(Caller("stdio:claude", HOSTILE, "search_messages"), "search", (ANN, CLUB), (3, 5))
    )
    await ledger.audit.flush()
    await ledger.expose("stdio:claude", Exposure.STRANGER)
    Tokens(home).create("n8n", ["read", "send"])
    record = record_in(load(home).account_folder().path)
    for state, reason in (
        (ConnectionState.ONLINE, None),
        (ConnectionState.RECONNECTING, "The network is down."),
    ):
        await record.save(replace(record.load(NOON), state=state, since=NOON, reason=reason))


@asynccontextmanager
async def chromium() -> AsyncIterator[Any]:
    """A Chromium without a screen (Playwright's `Browser`)."""
    playwright: Any = importlib.import_module("playwright.async_api")
    async with playwright.async_playwright() as driver:
        # Chromium has no sandbox of its own for root.
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()
