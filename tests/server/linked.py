"""An application on a real device that is linked to a simulated WhatsApp, in this process."""

from __future__ import annotations

import struct
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from mcp import Client

from tests import simulated
from tests.devices import direct
from tests.server.fakes import FakeSource
from whatsapp_mcp.archive import Archive, open_archive, recording
from whatsapp_mcp.device.connection.keys import stored_device
from whatsapp_mcp.device.leader.leadership import readers_of_features
from whatsapp_mcp.device.local_device import LocalDevice
from whatsapp_mcp.device.operations import control
from whatsapp_mcp.device.supervise import background_tasks
from whatsapp_mcp.media import Worker, open_worker
from whatsapp_mcp.models import ConnectionState, ContactUpdate
from whatsapp_mcp.server.application import create
from whatsapp_mcp.settings import CurrentSettings, Settings
from whatsapp_mcp.settings.core_sections import MediaSettings
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.people import Person

LIMIT = 30.0


@dataclass
class Linked:
    """WhatsApp, three people the account knows by name, and an MCP client of its server."""

    wa: WhatsApp
    client: Client
    archive: Archive
    device: LocalDevice
    worker: Worker
    home: Path
    ann: Person
    ben: Person
    cleo: Person

    @property
    def media(self) -> Path:
        """A folder that files may be sent from."""
        return Settings(home=self.home).account_folder().media

    @property
    def shared(self) -> Path:
        """A folder that the settings allow."""
        return shared_beside(self.home)

    async def archived(self, holds: Callable[[Any], bool], jid: str) -> Any:
        """The archive's chat of this jid, once it holds."""
        with anyio.fail_after(LIMIT):
            seen = 0
            while True:
                chat = await self.archive.chat(jid)
                if chat is not None and holds(chat):
                    return chat
                seen = await self.archive.wait_change(seen, 1.0)


def shared_beside(home: Path) -> Path:
    """A folder that is not in the home folder."""
    return home.with_name(f"{home.name}-shared")


def png(width: int, height: int) -> bytes:
    """A grey image."""
    rows = zlib.compress((b"\0" + b"\x80" * width) * height)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@asynccontextmanager
async def linked_account(home: Path) -> AsyncIterator[Linked]:
    """Link a new account and serve it; all of it ends with the block."""
    folder = Settings(home=home).account_folder()
    folder.create()
    shared = shared_beside(home)
    shared.mkdir(exist_ok=True)
    async with WhatsApp(seed=17) as wa:
        with pytest.MonkeyPatch.context() as patch:
            simulated.use(wa, patch)
            async with open_archive(folder, write=True) as archive, background_tasks() as tasks:
                device = LocalDevice(
                    folder,
                    # Files are fetched when a test asks for them.
                    CurrentSettings(Settings(home=home, media=MediaSettings.model_validate({"keep": "off"}))),
                    archive,
                    tasks,
                    owner=stored_device(folder.client_db),
                    readers=readers_of_features,
                )
                await device.start()
                await _link(device, wa)
                people = [wa.person(name) for name in ("Ann", "Ben", "Cleo")]
                await archive.write(
                    recording.record_contacts,
                    [ContactUpdate(str(person.pn), saved_name=person.name) for person in people],
                )
                async with open_worker() as worker:
                    source = FakeSource(cast("Any", device), archive, home, worker=worker, roots=(shared,))
                    async with Client(create(source, "all", structured=True)) as client:
                        yield Linked(wa, client, archive, device, worker, home, *people)


async def _link(device: LocalDevice, wa: WhatsApp) -> None:
    shown = await direct(device).do(control.link)
    assert shown.qr is not None
    await wa.me.scan(shown.qr.text)
    with anyio.fail_after(LIMIT):
        await device.wait_for(lambda now: now.state is ConnectionState.ONLINE)
    await wa.me.online()
