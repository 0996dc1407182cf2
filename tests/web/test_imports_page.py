"""Imports are begun on a page and followed there."""

from __future__ import annotations

from dataclasses import replace

import httpx2
import pytest

from tests.web.site import NOON, RELOADS, PageDevice, fields
from tests.web.world import ANN, CLUB, HOSTILE
from whatsapp_mcp.models import ImportProgress

pytestmark = pytest.mark.anyio
RUNNING = ImportProgress("Chat with Ann.zip", ANN, NOON, messages=1200, duplicates=3, stored=4, files=10)


async def begin(http: httpx2.AsyncClient, **given: str) -> httpx2.Response:
    form = fields((await http.get("/imports")).text, "/imports")
    return await http.post("/imports", data={**form, "path": "/tmp/chat.zip", **given})


@pytest.mark.parametrize(("chat", "jid"), [("boat club", CLUB), ("+15550000001", ANN), ("", None)])
async def test_an_import_is_begun_for_the_chat_that_is_meant(
    http: httpx2.AsyncClient, device: PageDevice, chat: str, jid: str | None
):
    answer = await begin(http, chat=chat)

    assert (answer.headers["location"], device.asked) == ("/imports", [f"import /tmp/chat.zip {jid} None"])


@pytest.mark.parametrize("given", [{"chat": "nobody at all"}, {"token": "0"}])
async def test_what_is_not_clear_begins_nothing(
    http: httpx2.AsyncClient, device: PageDevice, given: dict[str, str]
):
    assert (await begin(http, **given)).status_code in {400, 404}
    assert device.asked == []


async def test_a_running_import_is_followed(http: httpx2.AsyncClient, device: PageDevice):
    device.running = (RUNNING,)
    page = (await http.get("/imports")).text

    assert "1,200 new, 3 known already" in page
    assert '<progress aria-label="Import of Chat with Ann.zip" value="4" max="10">' in page
    assert (RELOADS in page, 'name="path"' in page) == (True, False)


async def test_an_import_that_failed_says_why(http: httpx2.AsyncClient, device: PageDevice):
    device.running = (replace(RUNNING, file=HOSTILE, ended=NOON, error="It is no such export."),)
    page = (await http.get("/imports")).text

    assert "It is no such export." in page
    assert "<script>alert" not in page
    assert (RELOADS in page, 'name="path"' in page) == (False, True)
