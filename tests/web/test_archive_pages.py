"""The archive as a person reads it in a browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.server.fakes import FakeDevice
from tests.tables import for_each
from tests.web.site import Source, Texts, browser, fields
from tests.web.world import ANN, CLUB, EVE, HOSTILE, picture
from whatsapp_mcp.archive import Archive, open_archive, recording
from whatsapp_mcp.settings import Settings

pytestmark = pytest.mark.anyio


async def ref(archive: Archive, wa_id: str) -> int:
    return (await archive.message(wa_id)).ref


async def test_chats_are_listed_with_what_was_said_last(http: httpx2.AsyncClient):
    page = (await http.get("/chats")).text

    assert page.index("Ann Lee") < page.index("Boat club")
    assert "Thanks for yesterday" in page
    assert f'href="/chats/{ANN}"' in page


@pytest.mark.parametrize(
    ("query", "there", "away"),
    [
        ("?q=boat", "Boat club", "Ann Lee"),
        ("?show=groups", "Boat club", "Ann Lee"),
        ("?show=people", "Ann Lee", "Boat club"),
    ],
)
async def test_the_list_is_narrowed(http: httpx2.AsyncClient, query: str, there: str, away: str):
    page = (await http.get(f"/chats{query}")).text

    assert (there in page, away in page) == (True, False)


async def test_a_chat_shows_its_messages_from_old_to_new_with_days_and_files(
    http: httpx2.AsyncClient, archive: Archive
):
    page = (await http.get(f"/chats/{ANN}")).text

    assert page.index("Did you book") < page.index("Two nights") < page.index("Eight o&#39;clock")
    assert "Sunday, 22 November 2026" in page
    assert f'src="/media/{await ref(archive, "A3")}"' in page
    assert "The key is under the third stone" in page
    assert "Deleted message" in page
    assert "secret" not in page
    assert "WhatsApp no longer has this file." in page
    assert f"/media/{await ref(archive, 'A10')}/fetch" not in page
    assert "Messages may be missing" in page


async def test_a_chat_is_paged_in_both_directions(
    http: httpx2.AsyncClient, archive: Archive, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("whatsapp_mcp.web.archive.MESSAGES_SHOWN", 4)
    path, seen = f"/chats/{ANN}", list[str]()
    while path:
        page = (await http.get(path)).text
        seen = [*re.findall(r'id="m(\d+)"', page), *seen]
        earlier = re.search(r'href="([^"]+before=\d+)"', page)
        path = earlier[1] if earlier else ""
    whole = [str(each.ref) for each in (await archive.context("A1", before=0, after=50)).items]
    assert seen == whole

    page = (await http.get(f"/chats/{ANN}?after={whole[0]}")).text
    assert re.findall(r'id="m(\d+)"', page) == whole[1:5]
    assert f"after={whole[4]}" in page


async def test_a_chat_opens_at_its_newest_message_unless_another_place_is_asked_for(
    http: httpx2.AsyncClient, archive: Archive
):
    first, last = (await archive.message("A1")).ref, (await archive.message("A11")).ref
    newest = rf'<article id="m{last}"[^>]* autofocus>'

    assert re.search(newest, (await http.get(f"/chats/{ANN}")).text)
    earlier = (await http.get(f"/chats/{ANN}?before={last}")).text
    assert earlier.count(" autofocus>") == 1
    assert earlier.rindex("<article") < earlier.index(" autofocus>")
    for place in (f"at={first}", f"after={first}"):
        assert "autofocus" not in (await http.get(f"/chats/{ANN}?{place}")).text


async def test_the_room_of_a_picture_is_known_before_it_has_come(http: httpx2.AsyncClient):
    page = (await http.get(f"/chats/{ANN}")).text

    sizes = re.findall(r'<img[^>]* width="(\d+)" height="(\d+)"', page)
    assert ("320", "220") in sizes
    assert ("220", "147") in sizes


async def test_a_message_is_found_in_its_chat(http: httpx2.AsyncClient, archive: Archive):
    number = await ref(archive, "A5")
    answer = await http.get(f"/message/{number}/there")

    assert answer.headers["location"] == f"/chats/{ANN}?at={number}#m{number}"
    assert (
        f'<article id="m{number}" class="bubble marked"' in (await http.get(answer.headers["location"])).text
    )


async def test_a_message_of_another_chat_is_not_shown_in_this_one(http: httpx2.AsyncClient, archive: Archive):
    answer = await http.get(f"/chats/{ANN}?at={await ref(archive, 'G1')}")

    assert (answer.status_code, "boat house" in answer.text) == (404, False)


async def test_the_page_of_a_message_shows_all_that_was_read_edited_and_received(
    http: httpx2.AsyncClient, archive: Archive
):
    document = (await http.get(f"/message/{await ref(archive, 'A5')}")).text
    edited = (await http.get(f"/message/{await ref(archive, 'A8')}")).text

    assert "Bring your own firewood." in document
    assert "pypdf" in document
    assert "Eigth o&#39;clock" in edited


@for_each("path", ["/chats/1@s.whatsapp.net", "/message/999999", "/media/999999", "/message/x"])
async def test_what_is_not_there_is_said(http: httpx2.AsyncClient, path: str):
    assert (await http.get(path)).status_code == 404


@for_each("place", ["at=x", "before=-1", "after=" + "9" * 40])
async def test_a_place_that_is_no_number_is_refused(http: httpx2.AsyncClient, place: str):
    assert (await http.get(f"/chats/{ANN}?{place}")).status_code == 400


async def test_a_search_marks_what_it_found_in_texts_and_files(http: httpx2.AsyncClient, archive: Archive):
    page = (await http.get("/search", params={"q": "deposit"})).text

    assert page.count("<mark>deposit</mark>") == 2
    assert f'href="/chats/{ANN}?at={await ref(archive, "A5")}' in page


async def test_a_search_understands_operators_and_offers_chats_of_that_name(http: httpx2.AsyncClient):
    assert "Who has the <mark>key" in (await http.get("/search", params={"q": "in:boat from:ann key"})).text
    assert f'href="/chats/{CLUB}"' in (await http.get("/search", params={"q": "boat"})).text


async def test_a_search_without_a_hit_shows_what_comes_closest(http: httpx2.AsyncClient):
    page = (await http.get("/search", params={"q": "deposit zebra"})).text

    assert "No message has all of it" in page
    assert "<mark>deposit</mark>" in page


async def test_a_search_inside_of_words_is_a_choice(http: httpx2.AsyncClient):
    assert "No message" in (await http.get("/search", params={"q": "eposi"})).text
    assert "<mark>eposi</mark>" in (await http.get("/search", params={"q": "eposi", "inside": "yes"})).text


@for_each("path", ["/chats", f"/chats/{EVE}", f"/chats/{CLUB}", "/search?q=alert", "/search?q=prize"])
async def test_nothing_that_others_wrote_is_markup(http: httpx2.AsyncClient, path: str):
    page = (await http.get(path)).text

    assert re.findall(r"<script(?! src=\"/live)|<svg|onerror=alert\(2\)>|onload=alert\(3\)>", page) == []
    assert "49png" not in page


@for_each("path", ["/chats", f"/chats/{EVE}", f"/chats/{CLUB}", "/search?q=alert"])
async def test_what_others_wrote_is_whole_and_has_a_direction_of_its_own(http: httpx2.AsyncClient, path: str):
    texts = Texts((await http.get(path)).text)

    assert [text for text, is_apart in texts.found if "\u202e" in text and not is_apart] == []
    assert any("\u202e" in text for text, _ in texts.found)
    assert path != f"/chats/{EVE}" or HOSTILE in [text for text, _ in texts.found]


async def test_a_picture_is_shown_by_its_content_and_a_part_of_it_can_be_had(
    http: httpx2.AsyncClient, archive: Archive
):
    url = f"/media/{await ref(archive, 'A3')}"
    whole = await http.get(url)
    part = await http.get(url, headers={"Range": "bytes=0-9"})

    assert (whole.headers["content-type"], whole.content) == ("image/jpeg", picture())
    assert whole.headers["content-disposition"].startswith("inline")
    assert (part.status_code, part.content) == (206, picture()[:10])


@pytest.mark.parametrize("wa_id", ["E2", "E3", "A5"])
async def test_a_file_that_a_browser_could_run_is_a_download_of_no_type(
    http: httpx2.AsyncClient, archive: Archive, wa_id: str
):
    answer = await http.get(f"/media/{await ref(archive, wa_id)}")

    assert answer.headers["content-type"] == "application/octet-stream"
    assert re.match(r'attachment; filename="\d+\.\w+(\.bin)?"$', answer.headers["content-disposition"])
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")


async def test_a_thumbnail_is_a_picture_or_not_there(http: httpx2.AsyncClient, archive: Archive):
    there = await http.get(f"/media/{await ref(archive, 'A10')}/thumbnail")

    assert there.headers["content-type"] == "image/jpeg"
    assert (await http.get(f"/media/{await ref(archive, 'A1')}/thumbnail")).status_code == 404


async def test_a_file_that_is_not_here_is_fetched_by_a_button_of_the_page(
    http: httpx2.AsyncClient, archive: Archive, device: FakeDevice
):
    number = await ref(archive, "A11")
    assert (await http.get(f"/media/{number}")).status_code == 404
    assert "not valid" in (await http.post(f"/media/{number}/fetch", data={"token": "0"})).text
    assert device.asked == []

    form = fields((await http.get(f"/chats/{ANN}")).text, f"/media/{number}/fetch")
    answer = await http.post(f"/media/{number}/fetch", data=form)

    assert (answer.headers["location"], device.asked) == (f"/message/{number}", [f"download {number}"])


async def test_a_file_that_is_sealed_or_was_dropped_is_asked_of_the_leader(
    tmp_path: Path, device: FakeDevice
):
    from tests.archive import events as ev
    from tests.web.world import STORY

    folder = Settings(home=tmp_path).account_folder()
    folder.create()
    opened = folder.media / "opened.jpg"
    opened.write_bytes(picture())
    device.file = str(opened)
    async with open_archive(folder, write=True) as archive:
        await archive.ingest(ev.journal(STORY))
        await archive.write(recording.record_media_path, "A3", str(folder.media / "lake.jpg"))
        async with browser(Source(device, tmp_path, archive)) as http:
            number = await ref(archive, "A3")
            assert (await http.get(f"/media/{number}")).content == picture()
    assert device.asked == [f"download {number}"]


async def test_a_message_that_is_very_long_is_cut_in_the_chat_and_whole_on_its_page(
    tmp_path: Path, device: FakeDevice
):
    from tests.archive import events as ev

    folder = Settings(home=tmp_path).account_folder()
    folder.create()
    async with open_archive(folder, write=True) as archive:
        await archive.ingest(ev.journal([ev.message("L1", "word " * 2_000 + "end", chat=ANN)]))
        async with browser(Source(device, tmp_path, archive)) as http:
            assert "end" not in _texts(await http.get(f"/chats/{ANN}"))
            assert "end" in _texts(await http.get(f"/message/{await ref(archive, 'L1')}"))


def _texts(answer: Any) -> str:
    return " ".join(re.findall(r'<p class="said"[^>]*>(.*?)</p>', answer.text, re.DOTALL))[-40:]
