"""Imports are begun on a page, followed there, cancelled and undone."""

from __future__ import annotations

import re
from dataclasses import replace

import httpx2
import pytest

from tests.features.imports.web.importing_device import IMPORTS, ImportingDevice
from tests.web.site import NOON, RELOADS, fields
from tests.web.world import ANN, CLUB, HOSTILE
from whatsapp_mcp.features.imports.requests import ImportProgress, ImportStep, UnknownVersion
from whatsapp_mcp.models import ExportMatch, ImportReport, ImportSource, ImportState, Unreadable

pytestmark = pytest.mark.anyio
REPORT = ImportReport(1200, 3, unreadable={Unreadable.NO_TIME: 2})
RUNNING = ImportProgress(
    77,
    "msgstore.db",
    ImportState.RUNNING,
    NOON,
    "/backup/msgstore.db",
    (4,),
    ImportSource.ANDROID,
    step=ImportStep.MESSAGES,
    done=1205,
    total=9000,
    report=REPORT,
)
NEVER_SEEN = "120363000000000098@g.us"
DONE = replace(RUNNING, state=ImportState.DONE, ended=NOON)


async def begin(http: httpx2.AsyncClient, **given: str) -> httpx2.Response:
    form = fields((await http.get("/imports")).text, "/imports")
    return await http.post("/imports", data={**form, "path": "/tmp/chat.zip", **given})


@pytest.mark.parametrize(("chat", "jid"), [("boat club", CLUB), ("+15550000001", ANN), ("", None)])
async def test_an_import_is_begun_for_the_chat_that_is_meant(
    http: httpx2.AsyncClient, device: ImportingDevice, chat: str, jid: str | None
):
    answer = await begin(http, chat=chat)

    assert (answer.headers["location"], device.asked) == ("/imports", [f"import /tmp/chat.zip {jid} None"])


@pytest.mark.parametrize("given", [{"chat": "nobody at all"}, {"token": "0"}])
async def test_what_is_not_clear_begins_nothing(
    http: httpx2.AsyncClient, device: ImportingDevice, given: dict[str, str]
):
    assert (await begin(http, **given)).status_code in {400, 404}
    assert device.asked == []


async def test_a_key_is_given_on_and_never_shown(http: httpx2.AsyncClient, device: ImportingDevice):
    answer = await begin(http, key="hunter2", media="/backup/Media", dry_run="yes")
    (request,) = device.requests
    device.running = (DONE,)

    assert (request.key, request.media, request.dry_run) == ("hunter2", "/backup/Media", True)
    page = (await http.get("/imports")).text
    assert "hunter2" not in answer.text + page + repr(request)
    assert 'name="key" type="password" autocomplete="off"' in page


async def test_a_running_import_is_followed(http: httpx2.AsyncClient, device: ImportingDevice):
    device.running = (RUNNING,)
    page = (await http.get("/imports")).text

    assert "Has looked at 1,205 of 9,000 messages (13 %)." in page
    assert "1,200 new messages, 3 known already" in page
    assert "Not taken over: 2 without a possible time." in page
    assert '<progress aria-label="Import of msgstore.db" value="1205" max="9000">' in page
    assert (RELOADS in page, 'name="path"' in page) == (True, False)


async def test_an_import_that_failed_says_why(http: httpx2.AsyncClient, device: ImportingDevice):
    device.running = (replace(DONE, file=HOSTILE, error="It is no such export.", state=ImportState.FAILED),)
    page = (await http.get("/imports")).text

    assert "It is no such export." in page
    assert "<script>alert" not in page
    assert (RELOADS in page, 'name="path"' in page) == (False, True)


async def test_a_version_that_is_not_known_is_shown_for_a_report(
    http: httpx2.AsyncClient, device: ImportingDevice
):
    unknown = UnknownVersion(1234, (("message", ("_id", "text_data")),))
    device.running = (replace(DONE, state=ImportState.FAILED, error="It is unknown.", unknown=unknown),)
    page = (await http.get("/imports")).text

    assert "user_version 1234\nmessage(_id, text_data)" in page


async def test_an_import_that_runs_is_cancelled(http: httpx2.AsyncClient, device: ImportingDevice):
    device.running = (RUNNING,)
    form = fields((await http.get("/imports")).text, "/imports/cancel")

    refused = await http.post("/imports/cancel", data={**form, "ticket": "78"})
    answer = await http.post("/imports/cancel", data=form)

    assert (refused.status_code, answer.headers["location"]) == (400, "/imports")
    assert device.asked == ["cancel import 77"]


async def test_an_import_is_undone_after_a_second_page(http: httpx2.AsyncClient, device: ImportingDevice):
    device.running = (DONE,)
    assert 'href="/imports/4/undo"' in (await http.get("/imports")).text
    asked = (await http.get("/imports/4/undo")).text
    assert "1,200 messages" in asked
    assert device.asked == []

    answer = await http.post("/imports/4/undo", data=fields(asked, "/imports/4/undo"))

    assert (answer.headers["location"], device.asked) == ("/imports", ["undo import 4"])


async def test_what_runs_or_is_undone_or_is_not_there_offers_no_undo(
    http: httpx2.AsyncClient, device: ImportingDevice
):
    device.running = (RUNNING, replace(DONE, state=ImportState.UNDONE))

    assert "/undo" not in (await http.get("/imports")).text
    assert (await http.get("/imports/9/undo")).status_code == 400
    assert (await http.post("/imports/9/undo", data={"token": "0"})).status_code == 400
    assert device.asked == []


async def test_an_undo_that_was_interrupted_can_be_given_again(
    http: httpx2.AsyncClient, device: ImportingDevice
):
    device.running = (replace(DONE, state=ImportState.UNDOING, step=ImportStep.UNDOING),)

    assert 'href="/imports/4/undo"' in (await http.get("/imports")).text


async def test_for_an_export_that_is_not_certain_the_person_chooses_the_chat(
    http: httpx2.AsyncClient, device: ImportingDevice
):
    asks = (ExportMatch("Chat.zip", None, (CLUB, ANN)),)
    device.running = (replace(DONE, path="/exports", numbers=(), asks=asks),)
    page = (await http.get("/imports")).text
    assert f'<option value="{CLUB}">' in page

    await http.post("/imports", data={**fields(page, "/imports"), "chat": CLUB})

    assert device.asked == [f"import /exports/Chat.zip {CLUB} None"]


async def test_chats_that_an_export_may_be_are_offered_by_name(
    http: httpx2.AsyncClient, device: ImportingDevice
):
    asks = (ExportMatch("Chat.zip", None, (CLUB, ANN, NEVER_SEEN)),)
    device.running = (replace(IMPORTS[0], path="/exports", asks=asks),)

    page = (await http.get("/imports")).text

    offered = dict(re.findall(r'<option value="([^"]+)">([^<]*)</option>', page))
    assert offered[ANN].startswith("Ann Lee, +15550000001, last message 2026-11-24")
    assert offered[CLUB].startswith("Boat club ⛵, a group …0001, last message")
    assert offered[NEVER_SEEN] == "a group …0098"
