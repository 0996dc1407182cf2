"""A simulated WhatsApp, and the real client linked to it. Every scenario must end without client errors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.simulator.faultless import assert_faultless, settled
from tests.simulator.neonize_client import NeonizeClient, linked, neonize_client
from whatsapp_simulator import WhatsApp


@pytest.fixture
def tolerated() -> list[str]:
    """Regular expressions of the errors that a scenario provokes on purpose. A test adds its own."""
    return []


@pytest.fixture
async def wa(tmp_path: Path, tolerated: list[str]) -> AsyncIterator[WhatsApp]:
    """WhatsApp without linked clients; clients log beside their databases, in `tmp_path`."""
    async with WhatsApp(seed=7) as whatsapp:
        yield whatsapp
        assert_faultless(whatsapp, _logs(tmp_path), tolerated)


def _logs(folder: Path) -> list[str]:
    return [log.read_text() for log in folder.rglob("*.log")]


@pytest.fixture
async def unlinked(wa: WhatsApp, tmp_path: Path) -> AsyncIterator[NeonizeClient]:
    """A client process that has not connected yet."""
    async with neonize_client(wa, tmp_path / "client.db") as client:
        yield client
        await settled(wa)
        await client.flush_log()


@pytest.fixture
async def client(wa: WhatsApp, unlinked: NeonizeClient) -> NeonizeClient:
    """A client linked to `wa.me`."""
    await linked(wa, unlinked)
    return unlinked


class _Shared:
    """One WhatsApp and one linked client for many tests; replaced after a test that has broken them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = 0
        self._exit = AsyncExitStack()
        self._pair: tuple[WhatsApp, NeonizeClient] | None = None

    async def pair(self) -> tuple[WhatsApp, NeonizeClient]:
        """Both, with the client online."""
        if self._pair is not None and not any(each.active for each in self._pair[0].me.companions.values()):
            await self.drop()
        if self._pair is None:
            self._made += 1
            whatsapp = await self._exit.enter_async_context(WhatsApp(seed=7))
            database = self._folder / f"client-{self._made}.db"
            client = await self._exit.enter_async_context(neonize_client(whatsapp, database))
            await linked(whatsapp, client)
            self._pair = whatsapp, client
        return self._pair

    async def drop(self) -> None:
        """End both."""
        self._pair = None
        await self._exit.aclose()


@pytest.fixture(scope="session")
async def _shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[_Shared]:
    shared = _Shared(tmp_path_factory.mktemp("shared"))
    yield shared
    await shared.drop()


@pytest.fixture
async def _shared_pair(
    _shared: _Shared, tolerated: list[str]
) -> AsyncIterator[tuple[WhatsApp, NeonizeClient]]:
    whatsapp, client = await _shared.pair()
    whatsapp.log.clear()
    whatsapp.media.requests.clear()
    for seen in (whatsapp.me.inbox, whatsapp.me.receipts, whatsapp.me.sent):
        seen.clear()
    client.forget_events()
    begin = len(client.library_log)
    intact = False
    try:
        yield whatsapp, client
        await settled(whatsapp)
        await client.flush_log()
        assert_faultless(whatsapp, [client.library_log[begin:]], tolerated)
        intact = True
    finally:
        whatsapp.recover()
        if not intact:
            await _shared.drop()


@pytest.fixture
def shared_wa(_shared_pair: tuple[WhatsApp, NeonizeClient]) -> WhatsApp:
    """The WhatsApp that many tests share, because linking takes a second; without faults at first."""
    return _shared_pair[0]


@pytest.fixture
def shared_client(_shared_pair: tuple[WhatsApp, NeonizeClient]) -> NeonizeClient:
    """The client linked to `shared_wa.me`."""
    return _shared_pair[1]
