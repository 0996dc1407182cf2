"""A simulated WhatsApp, and the real client linked to it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.simulator.neonize_client import NeonizeClient, linked, neonize_client
from whatsapp_mcp.simulator import WhatsApp


@pytest.fixture
async def wa() -> AsyncIterator[WhatsApp]:
    """WhatsApp, nobody linked."""
    async with WhatsApp(seed=7) as whatsapp:
        yield whatsapp


@pytest.fixture
async def unlinked(wa: WhatsApp, tmp_path: Path) -> AsyncIterator[NeonizeClient]:
    """A client process that has not connected yet."""
    async with neonize_client(wa, tmp_path / "client.db") as client:
        yield client


@pytest.fixture
async def client(wa: WhatsApp, unlinked: NeonizeClient) -> NeonizeClient:
    """A client linked to `wa.me`."""
    await linked(wa, unlinked)
    return unlinked
