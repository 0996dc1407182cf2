"""A simulated WhatsApp, and the real client linked to it."""

from collections.abc import AsyncIterator, Iterator
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


@pytest.fixture(scope="module")
async def _shared(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[WhatsApp, NeonizeClient]]:
    database = tmp_path_factory.mktemp("shared") / "client.db"
    async with WhatsApp(seed=7) as whatsapp, neonize_client(whatsapp, database) as client:
        await linked(whatsapp, client)
        yield whatsapp, client


@pytest.fixture
def shared_wa(_shared: tuple[WhatsApp, NeonizeClient]) -> Iterator[WhatsApp]:
    """One WhatsApp for all tests of a module that ask for it; linking takes a second. Faultless at first."""
    whatsapp, _ = _shared
    whatsapp.network.log.clear()
    whatsapp.media.requests.clear()
    yield whatsapp
    whatsapp.recover()


@pytest.fixture
def shared_client(_shared: tuple[WhatsApp, NeonizeClient]) -> NeonizeClient:
    """The client linked to `shared_wa.me`."""
    return _shared[1]
