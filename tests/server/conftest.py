"""A real archive with a few people in it, a fake device, and an MCP client of an application on both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tests.server.fakes import CODE, NOON, FakeDevice, FakeSource
from tests.server.linked import Linked, linked_account
from whatsapp_mcp.archive import Archive, open_archive, recording
from whatsapp_mcp.media import Worker
from whatsapp_mcp.models import ContactUpdate, GroupUpdate
from whatsapp_mcp.protobufs import Neonize
from whatsapp_mcp.server.application import create
from whatsapp_mcp.settings import Settings

ME = "15550001111@s.whatsapp.net"
ANN_LEE = "15550002222@s.whatsapp.net"
ANN_MAY = "15550003333@s.whatsapp.net"
BOB = "15550004444@s.whatsapp.net"
CLUB = "120363000000000001@g.us"


@dataclass(frozen=True)
class Event:
    """One row of a journal."""

    seq: int
    payload: bytes
    generation: int = 1
    received_at: int = 0
    code: int = 17


def _jid(proto: Any, jid: str) -> None:
    proto.User, proto.Server = jid.split("@")
    proto.RawAgent = proto.Device = proto.Integrator = 0
    proto.IsEmpty = False


def incoming(
    seq: int,
    chat: str,
    sender: str,
    text: str,
    at: datetime,
    *,
    from_me: bool = False,
    name: str = "",
    mentions: str | None = None,
) -> Event:
    """A text as the client library hands it over; its id is `M<seq>`."""
    message = Neonize.Message()
    info = message.Info
    _jid(info.MessageSource.Chat, chat)
    _jid(info.MessageSource.Sender, sender)
    info.MessageSource.IsFromMe = from_me
    info.MessageSource.IsGroup = chat.endswith("@g.us")
    info.ID, info.Timestamp, info.Pushname = f"M{seq}", int(at.timestamp() * 1000), name
    if mentions:
        message.Message.extendedTextMessage.text = text
        message.Message.extendedTextMessage.contextInfo.mentionedJID.append(mentions)
    else:
        message.Message.conversation = text
    return Event(seq, message.SerializePartialToString())


STORY: Sequence[tuple[str, str, str, bool]] = (
    (ANN_LEE, ANN_LEE, "Are you coming on Saturday?", False),
    (ANN_LEE, ME, "Yes, at eight", True),
    (CLUB, BOB, "The boat needs paint", False),
    (CLUB, ANN_MAY, "We decided to paint it blue", False),
    (BOB, BOB, "Who has the keys?", False),
)


@pytest.fixture(scope="module", autouse=True)
def _as_copies(as_copies: None) -> None:  # pyright: ignore[reportUnusedFunction]  pytest calls it
    """Processes begin with their modules loaded."""


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    """As `archive_in`."""
    async with archive_in(tmp_path) as opened:
        yield opened


@asynccontextmanager
async def archive_in(home: Path) -> AsyncIterator[Archive]:
    """Five messages of yesterday and today: Ann Lee, Ann May, Bob and the Boat club."""
    folder = Settings(home=home).account_folder()
    folder.create()
    async with open_archive(folder, write=True) as opened:
        await opened.write(recording.set_own, ME, None, "Me")
        await opened.write(
            recording.record_contacts,
            [
                ContactUpdate(ANN_LEE, saved_name="Ann Lee"),
                ContactUpdate(ANN_MAY, saved_name="Ann May"),
                ContactUpdate(BOB, saved_name="Bob"),
            ],
        )
        await opened.write(recording.record_groups, [GroupUpdate(CLUB, "Boat club")])
        start = NOON - timedelta(days=1)
        await opened.ingest(
            [
                incoming(seq, chat, sender, text, start + timedelta(hours=6 * seq), from_me=mine)
                for seq, (chat, sender, text, mine) in enumerate(STORY, 1)
            ]
        )
        yield opened


@pytest.fixture
def device() -> FakeDevice:
    """An online device."""
    return FakeDevice()


@pytest.fixture
def source(device: FakeDevice, archive: Archive, tmp_path: Path, worker: Worker) -> FakeSource:
    """The services of the application under test."""
    return FakeSource(device, archive, tmp_path, worker=worker)


@pytest.fixture
async def client(source: FakeSource) -> AsyncIterator[Client]:
    """An MCP client in this process."""
    async with Client(create(source, "all", structured=True, new_code=lambda: CODE)) as connected:
        yield connected


@pytest.fixture(scope="module")
async def linked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Linked]:
    """One linked account for all tests of a module; linking takes a second."""
    async with linked_account(tmp_path_factory.mktemp("linked")) as account:
        yield account
