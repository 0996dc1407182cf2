"""Messages that wait for their moment are shown, moved, sent and cancelled on a page."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import httpx2
import pytest

from tests.tables import for_each
from tests.web.site import NOON, PageDevice, Source, fields
from tests.web.world import ANN, HOSTILE
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.models import Authorship, Caller, OutboxEntry, SendRequest, SendStatus, TextContent

pytestmark = pytest.mark.anyio
DUE = datetime(2026, 11, 25, 8, 30, tzinfo=UTC)
ENTRY = OutboxEntry(
    7,
    SendRequest(ANN, TextContent(f"Happy birthday {HOSTILE}"), at=DUE),
    SendStatus.SCHEDULED,
    NOON,
    None,
    due_at=DUE,
    authorship=Authorship(Caller("token:agent"), (), "d"),
)


@pytest.fixture(autouse=True)
def waiting(archive: Archive, source: Source, monkeypatch: pytest.MonkeyPatch) -> list[OutboxEntry]:
    """What waits."""
    entries = [ENTRY]

    async def scheduled_sends() -> tuple[OutboxEntry, ...]:
        return tuple(entries)

    names = ("chat", "folder")
    source.archive = SimpleNamespace(
        scheduled_sends=scheduled_sends, **{name: getattr(archive, name) for name in names}
    )
    return entries


async def test_a_message_is_shown_with_whom_it_is_to_and_what_it_says(http: httpx2.AsyncClient):
    page = (await http.get("/scheduled")).text

    assert "2026-11-25 08:30" in page
    assert "Ann Lee" in page
    assert "Happy birthday &lt;script&gt;" in page
    assert "token:agent" in page


@pytest.mark.parametrize(
    ("pressed", "sent_at"),
    [({"do": "now"}, None), ({"do": "move", "at": "2026-12-01T09:00"}, datetime(2026, 12, 1, 9, tzinfo=UTC))],
)
async def test_a_message_is_moved_or_sent_now(
    http: httpx2.AsyncClient, device: PageDevice, pressed: dict[str, str], sent_at: datetime | None
):
    form = fields((await http.get("/scheduled")).text, "/scheduled")
    answer = await http.post("/scheduled", data={**form, **pressed})

    assert answer.headers["location"] == "/scheduled"
    assert [(sent.at, sent.replaces, sent.content) for sent in device.sends] == [
        (sent_at, 7, ENTRY.request.content)
    ]


async def test_a_message_is_cancelled(http: httpx2.AsyncClient, device: PageDevice):
    form = fields((await http.get("/scheduled")).text, "/scheduled")

    await http.post("/scheduled", data={**form, "do": "cancel"})

    assert device.asked == [f"cancel {ANN} 7"]


@for_each(
    "wrong",
    [
        {"do": "move", "at": "2026-11-24T11:59"},
        {"do": "move", "at": "tomorrow"},
        {"do": "move", "at": ""},
        {"do": "explode"},
        {"do": "cancel", "id": "8"},
        {"do": "cancel", "token": "0"},
    ],
)
async def test_what_cannot_be_done_changes_nothing(
    http: httpx2.AsyncClient, device: PageDevice, wrong: dict[str, str]
):
    form = fields((await http.get("/scheduled")).text, "/scheduled")
    answer = await http.post("/scheduled", data={**form, **wrong})

    assert (answer.status_code, device.asked, device.sends) == (400, [], [])


@pytest.mark.parametrize(
    ("at", "why"), [("2027-03-28T02:30", "clocks go forward"), ("2027-10-31T02:30", "clocks go back")]
)
async def test_a_time_that_clocks_skip_or_show_twice_is_refused(
    http: httpx2.AsyncClient, device: PageDevice, source: Source, at: str, why: str
):
    (source.home / "config.toml").write_text('timezone = "Europe/Berlin"\n', encoding="utf-8")
    form = fields((await http.get("/scheduled")).text, "/scheduled")

    answer = await http.post("/scheduled", data={**form, "do": "move", "at": at})

    assert (why in answer.text, device.sends) == (True, [])


async def test_without_any_the_page_says_so(http: httpx2.AsyncClient, waiting: list[OutboxEntry]):
    waiting.clear()

    assert "No message waits" in (await http.get("/scheduled")).text
