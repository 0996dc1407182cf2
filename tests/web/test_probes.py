"""The probes tell machines the truth: a server that lives, and one through which WhatsApp can be used."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from starlette.applications import Starlette

from tests.server.fakes import FakeDevice
from tests.tables import for_each
from tests.web.site import Source
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.models import ConnectionState, ConnectionStatus, LeaderFigures
from whatsapp_mcp.web import probes

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SINCE = LeaderFigures(NOON)
READY = (200, "ready\n")


@asynccontextmanager
async def prober(*sources: Source) -> AsyncIterator[httpx2.AsyncClient]:
    """Whoever asks a server of these accounts; it shows no token."""
    transport = httpx2.ASGITransport(app=Starlette(routes=probes.probe_routes(sources)))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as http:
        yield http


async def answer(*sources: Source) -> tuple[int, str]:
    """What `/readyz` says of a server of these accounts."""
    async with prober(*sources) as http:
        response = await http.get("/readyz")
    return response.status_code, response.text


async def test_an_account_that_is_online_and_archives_what_comes_is_ready(tmp_path: Path) -> None:
    assert await answer(Source(FakeDevice(), tmp_path)) == READY


@for_each("state", [state for state in ConnectionState if state is not ConnectionState.ONLINE])
async def test_no_other_state_is_ready(tmp_path: Path, state: ConnectionState) -> None:
    code, text = await answer(Source(FakeDevice(state), tmp_path))
    assert (code, text.startswith("not ready: ")) == (503, True)


async def test_a_phone_that_is_not_linked_is_told_from_a_connection_that_is_down(tmp_path: Path) -> None:
    unlinked = await answer(Source(FakeDevice(ConnectionState.UNLINKED), tmp_path))
    assert unlinked == (503, "not ready: no phone is linked\n")
    cut = await answer(Source(FakeDevice(ConnectionState.RECONNECTING), tmp_path))
    assert cut == (503, "not ready: WhatsApp is not connected\n")


async def test_a_server_that_could_not_open_its_account_lives_and_is_not_ready(tmp_path: Path) -> None:
    async with prober(Source(None, tmp_path)) as http:
        assert (await http.get("/healthz")).text == "ok\n"
        assert (await http.get("/readyz")).status_code == 503


async def test_an_account_that_nobody_leads_is_not_ready(tmp_path: Path) -> None:
    offline = await answer(Source(FakeDevice(ConnectionState.OFFLINE), tmp_path))
    assert offline == (503, "not ready: no leader answers\n")


async def test_a_leader_that_ends_between_two_answers_makes_it_not_ready(tmp_path: Path) -> None:
    class Ending(FakeDevice):
        async def figures(self) -> LeaderFigures:
            raise Busy("The leader ended during the call.")

    assert (await answer(Source(Ending(), tmp_path)))[0] == 503


@pytest.mark.parametrize("question", ["status", "figures"])
async def test_a_leader_that_stands_still_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    class Stopped(FakeDevice):
        async def status(self) -> ConnectionStatus:
            if question == "status":
                await anyio.sleep_forever()
            return await super().status()

        async def figures(self) -> LeaderFigures:
            await anyio.sleep_forever()
            raise AssertionError("for ever")

    monkeypatch.setattr(probes, "_LIMIT", 0.05)
    assert await answer(Source(Stopped(), tmp_path)) == (503, "not ready: no leader answers\n")


async def test_a_connection_that_is_up_is_not_enough_while_nothing_is_archived(tmp_path: Path) -> None:
    stalled = FakeDevice(known=replace(SINCE, journal_stalled=probes.STALLED + 1))
    assert await answer(Source(stalled, tmp_path)) == (503, "not ready: received events are not archived\n")


async def test_events_that_have_just_come_are_no_reason_not_to_be_ready(tmp_path: Path) -> None:
    busy = FakeDevice(known=replace(SINCE, journaled=9, archived=5, journal_stalled=2.0))
    assert await answer(Source(busy, tmp_path)) == READY


async def test_one_account_that_is_down_leaves_a_server_ready_and_no_answer_says_how_many_there_are(
    tmp_path: Path,
) -> None:
    up, down = Source(FakeDevice(), tmp_path), Source(FakeDevice(ConnectionState.UNLINKED), tmp_path)
    assert await answer(up, down) == READY
    code, text = await answer(down, Source(FakeDevice(ConnectionState.OFFLINE), tmp_path))
    assert (code, text) == (503, "not ready: no leader answers\n")


async def test_a_reason_names_nobody(tmp_path: Path) -> None:
    @dataclass
    class Talking(FakeDevice):
        async def status(self) -> ConnectionStatus:
            said: dict[str, Any] = {"reason": "Ann called", "number": "+15550001111", "name": "Ann"}
            return replace(await super().status(), **said)

    _, text = await answer(Source(Talking(ConnectionState.BANNED), tmp_path))
    assert text == "not ready: WhatsApp is not connected\n"
