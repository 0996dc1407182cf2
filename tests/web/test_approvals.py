"""The page on which a person answers what waits for their approval."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from tests.server.fakes import FakeDevice
from tests.server.linked import png
from tests.tables import for_each
from tests.web.site import NOON, RELOADS, fields
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.models import Approval, ApprovalState

pytestmark = pytest.mark.anyio
QUESTION = Approval(
    "k7mq2x",
    ApprovalState.OPEN,
    "send_message",
    "claude-code",
    ("Send this text:", "<b>hello</b>\u202e\n</section>", "to +15550009999"),
    "the recipient is not in the address book",
    NOON,
    NOON + timedelta(minutes=42),
)


@pytest.fixture
def device() -> FakeDevice:
    """A device with a question."""
    return FakeDevice(held=QUESTION)


async def form(http: httpx2.AsyncClient) -> dict[str, str]:
    return fields((await http.get("/approvals")).text, "/approvals")


async def test_a_question_is_shown_with_all_of_its_text_and_none_of_it_is_markup(http: httpx2.AsyncClient):
    page = (await http.get("/approvals")).text
    assert '<p dir="auto">&lt;b&gt;hello&lt;/b&gt;‹U+202E› ⏎ &lt;/section&gt;</p>' in page
    assert "to +15550009999" in page
    assert "because the recipient is not in the address book. 42 minutes are left" in page
    assert page.count("</section>") == 1


async def test_a_question_shows_its_pictures_and_no_other_file(
    http: httpx2.AsyncClient, device: FakeDevice, archive: Archive, tmp_path: Path
):
    archive.folder.media.mkdir(parents=True, exist_ok=True)
    ours, text, outside = archive.folder.media / "a.png", archive.folder.media / "a.txt", tmp_path / "b.png"
    for path in (ours, outside):
        path.write_bytes(png(8, 8))
    text.write_text("words")
    device.held = replace(QUESTION, pictures=tuple(map(str, (ours, text, outside))))
    assert '<img src="/approvals/k7mq2x/pictures/0"' in (await http.get("/approvals")).text
    shown = await http.get("/approvals/k7mq2x/pictures/0")
    assert (shown.headers["content-type"], shown.content) == ("image/png", png(8, 8))
    for other in ("k7mq2x/pictures/1", "k7mq2x/pictures/2", "k7mq2x/pictures/3", "aaaaaa/pictures/0"):
        assert (await http.get(f"/approvals/{other}")).status_code == 404


@pytest.mark.parametrize(("answer", "state"), [("yes", ApprovalState.APPROVED), ("no", ApprovalState.DENIED)])
async def test_a_button_decides(
    http: httpx2.AsyncClient, device: FakeDevice, answer: str, state: ApprovalState
):
    reply = await http.post("/approvals", data={**await form(http), "answer": answer})
    assert (reply.status_code, reply.headers["location"]) == (303, "/approvals")
    assert device.held is not None
    assert (device.held.state, device.held.way) == (state, "page")
    assert "Nothing waits" in (await http.get("/approvals")).text


@for_each(
    "wrong", [{"token": "0" * 64}, {"token": ""}, {"answer": "maybe"}, {"id": "aaaaaa"}, {"token": "é"}]
)
async def test_a_form_that_this_page_did_not_make_decides_nothing(
    http: httpx2.AsyncClient, device: FakeDevice, wrong: dict[str, str]
):
    reply = await http.post("/approvals", data={**await form(http), "answer": "yes", **wrong})
    assert "not valid" in reply.text
    assert device.held == QUESTION


async def test_the_form_of_one_session_is_of_no_use_to_another(http: httpx2.AsyncClient, device: FakeDevice):
    mine = await form(http)
    http.cookies.set("page", "another")
    assert "not valid" in (await http.post("/approvals", data={**mine, "answer": "yes"})).text
    assert device.held == QUESTION


@for_each(
    "body", [b"", b"\xff", b"answer=yes", b"&" * 9, b"id=a&id=b&token=c&answer=yes&more=x", b"a=b&" * 40]
)
async def test_what_is_no_form_decides_nothing(http: httpx2.AsyncClient, device: FakeDevice, body: bytes):
    assert "not valid" in (await http.post("/approvals", content=body)).text
    assert device.held == QUESTION


async def test_a_page_with_questions_holds_still_and_one_without_looks_for_them(
    http: httpx2.AsyncClient, device: FakeDevice
):
    assert RELOADS not in (await http.get("/approvals")).text
    device.held = replace(QUESTION, state=ApprovalState.USED)
    assert RELOADS in (await http.get("/approvals")).text
