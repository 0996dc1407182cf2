"""Strangers are let in to an agent, and out again, on a page."""

from __future__ import annotations

from datetime import timedelta

import httpx2
import pytest

from tests.web.site import NOON, PageDevice, fields
from tests.web.world import ANN, EVE, HOSTILE
from whatsapp_mcp.models import AgentChat, AgentStatus, Pairing

pytestmark = pytest.mark.anyio
ASKS = Pairing(EVE, "482913", NOON - timedelta(minutes=5), name=HOSTILE)
STATUS = AgentStatus((AgentChat(ANN, "Ann Lee", "command", 2),), (ASKS,), 1.5)


@pytest.fixture(autouse=True)
def _asks(device: PageDevice) -> None:  # pyright: ignore[reportUnusedFunction]  pytest calls it
    device.agents = STATUS


async def test_chats_with_an_agent_and_who_asks_are_shown(http: httpx2.AsyncClient):
    page = (await http.get("/agents")).text

    assert "Ann Lee" in page
    assert "+15550000666 asks to be let in" in page
    assert "<script>alert" not in page


@pytest.mark.parametrize(("do", "asked"), [("pair", "pair 482913"), ("drop", f"drop {EVE}")])
async def test_a_button_lets_in_and_out(http: httpx2.AsyncClient, device: PageDevice, do: str, asked: str):
    form = fields((await http.get("/agents")).text, "/agents")
    answer = await http.post("/agents", data={**form, "do": do})

    assert (answer.headers["location"], device.asked) == ("/agents", [asked])


async def test_a_code_that_is_too_old_lets_nobody_in(http: httpx2.AsyncClient, device: PageDevice):
    device.agents = AgentStatus((), (Pairing(EVE, "482913", NOON - timedelta(hours=2)),))

    assert "482913" not in (await http.get("/agents")).text


@pytest.mark.parametrize("wrong", [{"do": "explode"}, {"chat": ANN}, {"token": "0"}, {}])
async def test_what_is_no_button_of_the_page_lets_nobody_in(
    http: httpx2.AsyncClient, device: PageDevice, wrong: dict[str, str]
):
    form = fields((await http.get("/agents")).text, "/agents")

    assert (await http.post("/agents", data={**form, **wrong})).status_code == 400
    assert device.asked == []
