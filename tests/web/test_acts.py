"""The page of what agents did and read."""

from __future__ import annotations

import re

import httpx2
import pytest

from tests.server.fakes import ledger_in
from tests.web.site import PageDevice, Source, fields
from tests.web.world import ANN, EVE, HOSTILE
from whatsapp_mcp.ledger import AuditEntry, Exposure, Ledger
from whatsapp_mcp.models import Caller

pytestmark = pytest.mark.anyio
AGENT = Caller("token:agent", "claude-code", "send_message")
SENT = AuditEntry(AGENT, "send", (ANN,), verdict="allow", rule='mode = "standard"')


@pytest.fixture
def ledger(source: Source) -> Ledger:
    return ledger_in(source.home)


async def test_an_act_is_shown_with_its_outcome_its_chat_and_the_rule(
    http: httpx2.AsyncClient, ledger: Ledger
):
    ledger.audit.end(await ledger.audit.begin(SENT, text="hello", keep_text=True), SENT)
    await ledger.audit.begin(AuditEntry(AGENT, "send", (EVE,)))

    page = (await http.get("/acts")).text

    assert page.count("<tr>") == 3
    assert re.search(rf'href="/chats/{ANN}" dir="auto">Ann Lee</a>.*?done', page, re.DOTALL)
    assert page.index("begun") < page.index("done")
    assert "mode = &#34;standard&#34;" in page
    assert "hello" in page


async def test_readings_are_a_list_of_their_own(http: httpx2.AsyncClient, ledger: Ledger):
    ledger.audit.read(AuditEntry(Caller("token:agent", tool="search_messages"), "search", (ANN,), (12, 13)))

    assert "search_messages" not in (await http.get("/acts")).text
    page = (await http.get("/acts?show=readings")).text
    assert "2 messages" in page
    assert 'href="/message/12"' in page


async def test_every_row_is_on_one_page(
    http: httpx2.AsyncClient, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("whatsapp_mcp.web.agents.ROWS_SHOWN", 3)
    monkeypatch.setattr("whatsapp_mcp.ledger.audit.LOOKED_AT", 4)
    for number in range(5):
        await ledger.audit.note(AuditEntry(Caller("token:agent"), f"act{number}", outcome="DENIED"))
        for _ in range(5):
            ledger.audit.read(AuditEntry(AGENT, "messages"))
        await ledger.audit.flush()
    path, seen = "/acts", list[str]()
    while path:
        page = (await http.get(path)).text
        seen += re.findall(r"<td>(act\d)", page)
        following = re.search(r'href="(/acts\?[^"]*before=\d+)"', page)
        path = following[1].replace("&amp;", "&") if following else ""
    assert seen == ["act4", "act3", "act2", "act1", "act0"]


async def test_words_of_others_in_the_record_are_no_markup(http: httpx2.AsyncClient, ledger: Ledger):
    await ledger.audit.note(AuditEntry(Caller(f"token:{HOSTILE}", HOSTILE, HOSTILE), HOSTILE, (HOSTILE,)))

    page = (await http.get("/acts")).text

    assert "<script>alert" not in page
    assert "‹U+202E›" in page


async def test_the_record_is_verified(http: httpx2.AsyncClient, ledger: Ledger):
    await ledger.audit.note(SENT)
    assert "The record is whole" in (await http.get("/acts/verify")).text

    await ledger._file.write(lambda db: db.execute("UPDATE audit SET verdict = 'deny'"))

    assert "changed at 1 place." in (await http.get("/acts/verify")).text


async def test_who_was_given_words_of_strangers_is_cleared_by_a_button(
    http: httpx2.AsyncClient, ledger: Ledger, device: PageDevice
):
    await ledger.expose("token:agent", Exposure.STRANGER)
    form = fields((await http.get("/acts")).text, "/acts/clear")
    assert form["principal"] == "token:agent"

    assert "not valid" in (await http.post("/acts/clear", data={**form, "principal": "token:other"})).text
    assert device.asked == []
    await http.post("/acts/clear", data=form)

    assert device.asked == ["clear token:agent"]
