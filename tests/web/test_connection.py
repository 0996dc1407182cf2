"""The page of the connection: its past, what was missed, and what a person does about it."""

from __future__ import annotations

import json

import httpx2
import pytest

from tests.tables import for_each
from tests.web.site import NOON, PageDevice, Source, fields
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.models import AddressBookState, ConnectionState, ConnectionStatus, FilesStatus

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("pressed", "asked"),
    [
        ({"do": "reconnect"}, "reconnect"),
        ({"do": "pause", "for": "hour"}, "pause 24 13:00"),
        ({"do": "pause", "for": ""}, "pause None"),
        ({"do": "resume"}, "resume"),
    ],
)
async def test_a_button_acts_on_the_connection(
    http: httpx2.AsyncClient, device: PageDevice, pressed: dict[str, str], asked: str
):
    form = fields((await http.get("/")).text, "/connection")
    answer = await http.post("/connection", data={**form, **pressed})

    assert (answer.status_code, answer.headers["location"], device.asked) == (303, "/", [asked])


@for_each("wrong", [{"do": "explode"}, {"do": "pause", "for": "ever"}, {"token": "0"}, {}])
async def test_what_is_no_button_of_the_page_does_nothing(
    http: httpx2.AsyncClient, device: PageDevice, wrong: dict[str, str]
):
    form = fields((await http.get("/")).text, "/connection")
    answer = await http.post("/connection", data={**form, **wrong})

    assert ("not valid" in answer.text, device.asked) == (True, [])


async def test_unlinking_is_asked_about_first(http: httpx2.AsyncClient, device: PageDevice):
    page = (await http.get("/unlink")).text
    assert device.asked == []

    await http.post("/unlink", data=fields(page, "/unlink"))

    assert device.asked == ["unlink"]


async def test_a_phone_without_a_camera_gets_a_code_to_type(http: httpx2.AsyncClient, source: Source):
    device = source.device = PageDevice(ConnectionState.UNLINKED, None)
    form = fields((await http.get("/")).text, "/link")

    await http.post("/link", data={**form, "phone": "+15550001111"})

    assert device.asked == ["link +15550001111"]


async def test_the_page_tells_what_may_have_been_missed_and_the_states_before(
    http: httpx2.AsyncClient, archive: Archive
):
    kept = {"state": "online", "since": "2026-11-24T11:00:00+00:00", "reason": None}
    before = {"state": "reconnecting", "since": "2026-11-24T10:58:00+00:00", "reason": "The network is down."}
    record = archive.folder.path / "link.json"
    record.write_text(json.dumps({"history": [before, kept]}), encoding="utf-8")

    page = (await http.get("/")).text

    assert "this computer was off" in page
    assert (
        page.index("2026-11-24 11:00") < page.index("2026-11-24 10:58") < page.index("The network is down.")
    )


@for_each("record", ["", "[]", '{"history": 3}', '{"history": [{"state": 7}]}'])
async def test_a_record_that_cannot_be_read_is_no_fault_of_the_page(
    http: httpx2.AsyncClient, archive: Archive, record: str
):
    (archive.folder.path / "link.json").write_text(record, encoding="utf-8")

    assert "Nothing is recorded yet." in (await http.get("/")).text


async def test_settings_that_are_not_in_force_are_told_on_the_first_page(
    http: httpx2.AsyncClient, source: Source
):
    (source.home / "config.toml").write_text("[policy]\nmode = 'nonsense'\n", encoding="utf-8")

    assert "config.toml is not in force" in (await http.get("/")).text


async def test_whatever_a_status_may_say_is_shown(http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    said = ConnectionStatus(
        ConnectionState.PAUSED,
        NOON,
        "default",
        "A person paused it.",
        "Resume it.",
        until=NOON,
        last_event_at=NOON,
        last_sent_at=NOON,
        phone_seen_at=NOON,
        journal_waiting=1_234,
        events_lost=5,
        undecoded=6,
        cut_short=9,
        addons_dropped=11,
        address_book=AddressBookState.MISSING,
        silent_groups=4,
        failures={"outbox": 7},
        files=FilesStatus(to_fetch=8),
    )

    async def status(_: PageDevice) -> ConnectionStatus:
        return said

    monkeypatch.setattr(PageDevice, "status", status)
    page = (await http.get("/")).text

    for words in ("A person paused it.", "Resume it.", "1,234", "Up to 5 events", "6 events are of a kind"):
        assert words in page
    assert "9 messages are not kept whole" in page
    assert "11 reactions, edits or the like are gone" in page
    assert "4 groups had some" in page
    assert "9 messages are not kept whole" in page
    for words in ("outbox, 7 times", "8 to fetch", "Adding or changing any contact", 'value="resume"'):
        assert words in page
