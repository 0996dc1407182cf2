"""A simulated WhatsApp and a client process that talks to it."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.client.client_process import ClientUnderTest, client_process
from whatsapp_mcp.processes.child_process import RECEIVED, SENDING
from whatsapp_simulator import WhatsApp


@pytest.fixture
async def wa() -> AsyncGenerator[WhatsApp]:
    """WhatsApp, nobody linked."""
    async with WhatsApp(seed=11) as whatsapp:
        yield whatsapp


def sending(folder: Path) -> Path:
    """The folder from which the client process of a folder sends; made if it is not there."""
    place = folder.parent / SENDING
    place.mkdir(exist_ok=True)
    return place


@pytest.fixture
async def client(wa: WhatsApp, tmp_path: Path) -> AsyncGenerator[ClientUnderTest]:
    """A client process that has not connected yet."""
    sending(tmp_path)
    (tmp_path / RECEIVED).mkdir()
    async with client_process(tmp_path, wa.environment()) as process:
        yield process


@pytest.fixture
async def linked(wa: WhatsApp, client: ClientUnderTest) -> ClientUnderTest:
    """A client process linked to `wa.me` and online."""
    await client.link(wa.me)
    return client
