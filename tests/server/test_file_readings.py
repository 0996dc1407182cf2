"""What was read in files: shown as what it is, handed out by `read_file`, and its author told apart."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client

from tests.archive import events as ev
from tests.archive.events import journal
from tests.archive.test_file_readings import document, pages, voice
from tests.server.conftest import ANN_LEE, BOB, CLUB
from tests.server.fakes import NOON, FakeDevice, ledger_in
from tests.server.test_core_tools import answer, refusal
from tests.server.test_withholding import TOM, WAITS, serving, tainted
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, export, recording
from whatsapp_mcp.errors import InvalidArgument, MediaUnavailable, Unsupported, WhatsAppError
from whatsapp_mcp.models import FileReading, FileStep, MessageFilter, Passage, ReadingKind
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.server.fencing import LIMIT
from whatsapp_mcp.server.render import Wanted, reading_data, reading_text
from whatsapp_mcp.settings import PolicySettings

pytestmark = pytest.mark.anyio

SECRET = "zebracorn"
"""Stands in what was read in files, and nowhere else."""
AT = int(NOON.timestamp()) + 7 * 3600
"""After all that the story tells."""


def heard(*said: str) -> FileReading:
    passages = tuple(Passage(text, start=2.0 * second) for second, text in enumerate(said))
    return FileReading(ReadingKind.TRANSCRIPT, passages, "whisper small", "en")


def seen(text: str) -> FileReading:
    return FileReading(ReadingKind.PICTURE, (Passage(text),) if text else (), "rapidocr")


def image(caption: str = "", **context: Any) -> Any:
    body: Any = E2E.Message()
    body.imageMessage.caption, body.imageMessage.mimetype = caption, "image/jpeg"
    body.imageMessage.directPath, body.imageMessage.mediaKey, body.imageMessage.fileLength = (
        "/v",
        b"k",
        340_000,
    )
    for name, value in context.items():
        setattr(body.imageMessage.contextInfo, name, value)
    return body


def forwarded_voice() -> Any:
    body = voice()
    body.audioMessage.contextInfo.isForwarded = True
    return body


def audio_file() -> Any:
    body = voice()
    body.audioMessage.PTT = False
    return body


CONTRACT = ("The landlord", "The deposit is 900 EUR", "Signed")
WORLD: dict[str, tuple[Any, str, FileReading | None]] = {
    "heard": (voice(), ANN_LEE, heard("See you", "at six")),
    "silent": (voice(), ANN_LEE, None),
    "contract": (document("contract.pdf", 1_200_000), BOB, pages(*CONTRACT)),
    "receipt": (image("from the shop"), BOB, seen("Total 12.90")),
    "song": (audio_file(), BOB, heard(f"{SECRET} sings")),
    "passed on": (forwarded_voice(), BOB, heard(f"{SECRET} passed on")),
    "stranger": (voice(), TOM, heard(f"{SECRET} calls")),
}


@pytest.fixture
async def stocked(archive: Archive) -> Archive:
    """The story, and files of Ann, Bob and Tom, who is not in the address book."""
    told = [
        ev.message(key, body, chat=chat, at=AT + number, name="Tom T." if chat == TOM else "")
        for number, (key, (body, chat, _)) in enumerate(WORLD.items())
    ]
    await archive.ingest(journal(told, after=await archive.position()))
    for key, (_, _, reading) in WORLD.items():
        if reading is not None:
            await archive.write(recording.record_reading, key, reading)
    return archive


@pytest.fixture
async def client(stocked: Archive, device: FakeDevice, tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(stocked, device, tmp_path) as connected:
        yield connected


async def line(client: Client, tool: str, ref: str, **arguments: Any) -> str:
    text, _ = await answer(client, tool, **arguments)
    (found,) = [one for one in text.splitlines() if one.startswith(f"{ref} ")]
    return found.split(" ", 2)[2]


async def ref_of(archive: Archive, key: str) -> str:
    return f"#{(await archive.message(key)).ref}"


# Lists.


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("heard", "Ann Lee 🎤 0:42: “See you at six”"),
        ("silent", "Ann Lee: [voice 0:42, not transcribed]"),
        ("contract", "Bob: [document “contract.pdf” 1.2 MB, 3 pages read]"),
        ("receipt", "Bob: [image 340 kB, words read] from the shop"),
        ("song", "Bob: [audio 0:42, words read]"),
    ],
)
async def test_a_list_shows_what_a_file_is_and_the_words_of_who_speaks(
    client: Client, stocked: Archive, tmp_path: Path, key: str, shown: str
) -> None:
    chat = WORLD[key][1]
    found = await line(client, "list_messages", await ref_of(stocked, key), chat=chat)
    assert found == shown
    assert tainted(tmp_path) == set()


async def test_a_voice_note_that_nothing_transcribes_says_so_and_why(client: Client) -> None:
    why = "Speech is not transcribed here"
    for tool, arguments in (
        ("list_messages", {"chat": "Ann Lee"}),
        ("search_messages", {"query": "has:voice"}),
        ("get_message_context", {"message": "silent"}),
    ):
        text, data = await answer(client, tool, **arguments)
        assert "[voice 0:42, not transcribed]" in text, tool
        assert (text.count(why), "".join(data["notes"]).count(why)) == (1, 1)
    text, _ = await answer(client, "list_messages", chat="Bob")
    assert why not in text


async def test_structured_content_tells_what_was_read_and_no_words_of_unknown_authors(client: Client) -> None:
    _, data = await answer(client, "list_messages", chat="Bob")
    found = {each["message_id"]: each.get("reading") for each in data["messages"]}
    assert found["contract"] == {"kind": "document", "pages": 3}
    assert found["song"] == {"kind": "transcript", "pages": 1, "language": "en"}
    _, data = await answer(client, "list_messages", chat="Ann Lee")
    found = {each["message_id"]: each.get("reading") for each in data["messages"]}
    assert found["heard"] == {"kind": "transcript", "pages": 2, "language": "en", "text": "See you at six"}


async def test_nobody_can_write_the_mark_of_a_voice_note(client: Client, stocked: Archive) -> None:
    told = [
        ev.message("X1", "🎤 0:42: “See you at six”", chat=CLUB, sender=BOB, at=AT + 100),
        ev.message("X2", "“See you”", chat=CLUB, sender=TOM, name="Tom 🎤 0:42", at=AT + 101),
    ]
    await stocked.ingest(journal(told, after=await stocked.position()))
    forged = await line(client, "list_messages", await ref_of(stocked, "X1"), chat=CLUB)
    assert forged == "Bob: 🎤 0:42: “See you at six”"
    text, _ = await answer(client, "get_message_context", message="X2", before=0)
    assert "~Tom 0 42: “See you”" in text


async def test_a_chat_shows_what_was_last_said_to_it(client: Client, stocked: Archive) -> None:
    told = [ev.message("X1", voice(), chat=CLUB, sender=ANN_LEE, at=AT + 100)]
    await stocked.ingest(journal(told, after=await stocked.position()))
    await stocked.write(recording.record_reading, "X1", heard("the boat: now"))
    text, data = await answer(client, "list_chats")
    assert " Ann Lee 🎤: “the boat꞉ now”" in text
    (chat,) = [each for each in data["chats"] if each["jid"] == CLUB]
    assert (chat["last_message"], chat["last_heard"]) == ("the boat: now", True)
    assert SECRET not in text + json.dumps(data)


async def test_a_problem_that_does_not_pass_is_said(client: Client, stocked: Archive) -> None:
    ref = await ref_of(stocked, "silent")
    for step, code, final, shown in (
        (FileStep.FETCH, "BUSY", False, "[voice 0:42, not transcribed]"),
        (FileStep.FETCH, "MEDIA_UNAVAILABLE", True, "[voice 0:42, expired]"),
        (FileStep.READ, "TOO_LONG", True, "[voice 0:42, too large]"),
        (FileStep.READ, "UNSUPPORTED", True, "[voice 0:42, not readable]"),
    ):
        await stocked.write(recording.record_file_problem, "silent", step, code, "A sentence.", final)
        assert await line(client, "list_messages", ref, chat="Ann Lee") == f"Ann Lee: {shown}"


async def test_a_long_transcript_is_cut_and_says_what_has_the_rest(client: Client, stocked: Archive) -> None:
    await stocked.write(recording.record_reading, "silent", heard("word " * 100))
    ref = await ref_of(stocked, "silent")
    shown = await line(client, "list_messages", ref, chat="Ann Lee")
    assert shown.startswith("Ann Lee 🎤 0:42: “word word")
    assert shown.endswith(f"(all of it: read_file {ref})")


# Searching.


async def test_a_hit_in_a_document_says_the_page_and_none_of_its_words(
    client: Client, stocked: Archive, tmp_path: Path
) -> None:
    ref = await ref_of(stocked, "contract")
    shown = await line(client, "search_messages", ref, query="deposit")
    assert shown == f"Bob: [document “contract.pdf” 1.2 MB, found on page 2: read_file {ref}]"
    _, data = await answer(client, "search_messages", query="deposit")
    assert (data["messages"][0]["snippet_of"], data["messages"][0]["snippet_page"]) == ("reading", 2)
    assert "snippet" not in data["messages"][0]
    assert "900" not in json.dumps(data)
    assert tainted(tmp_path) == set()


async def test_a_hit_in_a_voice_note_stands_in_its_words(client: Client, stocked: Archive) -> None:
    ref = await ref_of(stocked, "heard")
    assert await line(client, "search_messages", ref, query="has:transcript six") == (
        "Ann Lee 🎤 0:42: “See you at **six**”"
    )


@pytest.mark.parametrize("how", [{}, {"substring": True}, {"order": "relevance"}])
async def test_what_was_read_of_strangers_is_not_found(
    client: Client, tmp_path: Path, how: dict[str, Any]
) -> None:
    text, data = await answer(client, "search_messages", query=SECRET, **how)
    assert [each["message_id"] for each in data["messages"]] == ["song"]
    assert f"{SECRET} " not in text.replace(f"“{SECRET}”", "")
    assert tainted(tmp_path) == set()


async def test_where_nothing_is_withheld_the_words_around_a_hit_are_shown(
    stocked: Archive, device: FakeDevice, tmp_path: Path
) -> None:
    async with serving(stocked, device, tmp_path, Policy.in_mode("open")) as client:
        ref = await ref_of(stocked, "contract")
        shown = await line(client, "search_messages", ref, query="deposit")
    assert "found on page 2 “The landlord The **deposit** is 900 EUR Signed”: read_file" in shown


CODE = "Your verification code is 481516 do not share it"


@for_each("query", ["481516", "⁴⁸*", "④⑧*", "verification -999", "481516 OR 999", "815"])
@pytest.mark.parametrize(
    "reading",
    [heard(CODE), pages("one", CODE), pages("word " * 12_000 + CODE), heard("word " * 12_000, CODE)],
)
async def test_no_search_finds_a_code_that_was_read(
    client: Client, stocked: Archive, query: str, reading: FileReading
) -> None:
    await stocked.write(recording.record_reading, "silent", reading)
    _, data = await answer(client, "search_messages", query=query, substring=query == "815")
    assert data["messages"] == []


async def test_a_code_that_somebody_spoke_is_masked_until_a_person_agrees(
    client: Client, stocked: Archive, device: FakeDevice
) -> None:
    await stocked.write(recording.record_reading, "silent", heard("Hello", CODE))
    for tool, arguments in (
        ("list_messages", {"chat": "Ann Lee"}),
        ("list_chats", {}),
        ("search_messages", {"query": "verification has:transcript"}),
        ("get_message_context", {"message": "silent"}),
        ("read_file", {"message": "silent"}),
    ):
        text, data = await answer(client, tool, **arguments)
        assert "481516" not in text + json.dumps(data), tool
        assert "[one-ti" in text, tool
    device.fails = WAITS
    error = await refusal(client, "get_message_context", message="silent", reveal=True)
    assert error["code"] == "APPROVAL_REQUIRED"
    device.fails = None
    text, _ = await answer(client, "get_message_context", message="silent", reveal=True)
    assert "481516" in text


# read_file.


async def test_a_document_is_handed_out_page_by_page(
    client: Client, stocked: Archive, tmp_path: Path
) -> None:
    ref = await ref_of(stocked, "contract")
    text, data = await answer(client, "read_file", message=ref)
    lines = text.splitlines()
    assert lines[0] == (
        f"{ref} [document 1.2 MB] “contract.pdf”, pages 1-3 of 3 (read by pypdf); who wrote it is not known:"
    )
    assert lines[2:5] == [f"page {n}: {words}" for n, words in enumerate(CONTRACT, 1)]
    assert data["passages"][1] == {"page": 2, "text": CONTRACT[1]}
    assert (data["pages"], data["kind"], data["engine"], "next" in data) == (3, "document", "pypdf", False)
    assert tainted(tmp_path) == {"stranger"}


async def test_a_transcript_has_its_times_and_is_of_who_speaks(
    client: Client, stocked: Archive, tmp_path: Path
) -> None:
    ref = await ref_of(stocked, "heard")
    text, data = await answer(client, "read_file", message=ref)
    lines = text.splitlines()
    assert lines[0] == f"{ref} [voice 0:42], transcript (en, read by whisper small):"
    assert lines[2:4] == ["0:00: See you", "0:02: at six"]
    assert (data["language"], data["passages"][1]["start"]) == ("en", 2.0)
    assert tainted(tmp_path) == set()


@pytest.mark.parametrize("key", ["receipt", "song", "passed on", "stranger"])
async def test_words_of_unknown_authors_are_written_down_as_strangers(
    client: Client, tmp_path: Path, key: str
) -> None:
    text, _ = await answer(client, "read_file", message=key)
    assert ("Total 12.90" if key == "receipt" else SECRET) in text
    assert tainted(tmp_path) == {"stranger"}


async def test_reading_a_file_is_in_the_audit(client: Client, stocked: Archive, tmp_path: Path) -> None:
    await answer(client, "read_file", message="contract")
    audit = ledger_in(tmp_path).audit
    await audit.flush()
    (entry,) = [row.entry for row in audit.rows() if row.kind == "reading"]
    ref = (await stocked.message("contract")).ref
    assert (entry.caller.tool, entry.operation, entry.chats, entry.refs) == (
        "read_file",
        "reading",
        (BOB,),
        (ref,),
    )


def reads(archive: Archive, key: str, reading: FileReading) -> Callable[[int], Awaitable[None]]:
    async def read(_: int) -> None:
        await archive.write(recording.record_reading, key, reading)

    return read


async def test_what_was_not_read_yet_is_read_once(
    client: Client, stocked: Archive, device: FakeDevice
) -> None:
    device.reads = reads(stocked, "silent", heard("Now I speak"))
    for _ in range(2):
        text, _ = await answer(client, "read_file", message="silent")
        assert "0:00: Now I speak" in text
    assert device.asked == [f"read_file {(await stocked.message('silent')).ref}"]


@pytest.mark.parametrize(
    "error",
    [
        Unsupported(
            "Nothing here turns speech into text.", "Tell the user: pip install whatsapp-mcp[voice]."
        ),
        MediaUnavailable("WhatsApp no longer has this file.", "Ask the sender to send it again."),
    ],
)
async def test_a_file_that_cannot_be_read_says_what_to_do_and_taints_nobody(
    client: Client, device: FakeDevice, tmp_path: Path, error: WhatsAppError
) -> None:
    device.fails = error
    told = await refusal(client, "read_file", message="silent")
    assert (told["code"], told["action"]) == (error.code, error.action)
    assert tainted(tmp_path) == set()


async def test_a_message_without_a_file_has_nothing_to_read(client: Client, device: FakeDevice) -> None:
    error = await refusal(client, "read_file", message="M1")
    assert error["code"] == "MEDIA_UNAVAILABLE"
    assert device.asked == []


async def test_a_file_in_which_nothing_could_be_read_says_so(client: Client, stocked: Archive) -> None:
    await stocked.write(recording.record_reading, "silent", heard())
    text, _ = await answer(client, "read_file", message="silent")
    assert text.endswith("Nothing is said in it that whisper small could read.")
    await stocked.write(recording.record_reading, "contract", pages("", ""))
    text, _ = await answer(client, "read_file", message="contract")
    assert text.endswith("It may be a scan: download_media fetches it.")
    await stocked.write(recording.record_reading, "receipt", seen(""))
    ref = await ref_of(stocked, "receipt")
    assert (
        await line(client, "list_messages", ref, chat="Bob")
        == "Bob: [image 340 kB, no words in it] from the shop"
    )


async def test_in_lockdown_a_person_has_to_agree_before_a_file_is_read(
    stocked: Archive, device: FakeDevice, tmp_path: Path
) -> None:
    device.fails = WAITS
    async with serving(stocked, device, tmp_path, Policy.in_mode("lockdown")) as client:
        error = await refusal(client, "read_file", message="contract")
        assert error["code"] == "APPROVAL_REQUIRED"
        assert tainted(tmp_path) == set()
        text, _ = await answer(client, "read_file", message="heard")
        assert "See you" in text
        assert tainted(tmp_path) == {"contact"}
        device.fails = None
        text, _ = await answer(client, "read_file", message="contract")
        assert CONTRACT[1] in text
    assert tainted(tmp_path) == {"contact", "stranger"}


async def test_rules_for_reading_hold_for_files(stocked: Archive, device: FakeDevice, tmp_path: Path) -> None:
    rules = [{"name": "Bob", "read": "deny"}, {"name": "Ann Lee", "read": "ask"}]
    policy = Policy(PolicySettings.model_validate({"chats": rules}))
    device.fails = WAITS
    async with serving(stocked, device, tmp_path, policy) as client:
        assert (await refusal(client, "read_file", message="contract"))["code"] == "DENIED"
        assert (await refusal(client, "read_file", message="heard"))["code"] == "APPROVAL_REQUIRED"
        text, data = await answer(client, "list_messages")
        assert "See you" not in text + json.dumps(data)
        text, data = await answer(client, "search_messages", query="deposit OR six")
        assert data["messages"] == []
    assert [each for each in device.asked if "read_file" in each] == []


# Which pages.


@for_each(
    "given, shown, following",
    [
        (None, [1, 2, 3, 4], None),
        ("3", [3], None),
        (" 2 - 3 ", [2, 3], None),
        ("3-", [3, 4], None),
        ("2-9", [2, 3, 4], None),
        ("4+2", [4], None),
        ("2+1", [2], "3-"),
    ],
)
def test_pages_are_chosen(given: str | None, shown: list[int], following: str | None) -> None:
    wanted = Wanted.parse(given)
    part = wanted.take(pages("one", "two", "three", "four"))
    assert [each["page"] for each in reading_data(1, part, wanted)["passages"]] == shown
    assert wanted.following == following


@for_each("given", ["0", "x", "-3", "5-2", "1,2", "3+", "9", "9-", "1" * 9])
def test_pages_that_are_none_are_refused_with_what_to_write(given: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        Wanted.parse(given).take(pages("one", "two"))
    assert refused.value.action


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "é\n", "# <messages> x: "]), st.integers(0, 60_000)), max_size=6
    ),
    st.booleans(),
)
def test_going_on_as_told_shows_every_word_once(texts: list[tuple[str, int]], titled: bool) -> None:
    whole = FileReading(
        ReadingKind.DOCUMENT,
        tuple(Passage((text * size)[:60_000], "t" * 90 if titled else None) for text, size in texts),
        "pypdf",
    )
    found = ["" for _ in texts]
    following: str | None = ""
    for _ in range(40):
        wanted = Wanted.parse(following or None)
        part = wanted.take(whole)
        data = reading_data(1, part, wanted)
        rendered = reading_text(data, "#1 [document]", cut=False, of_sender=False).rendered("123456")
        assert len(rendered) <= LIMIT
        assert "more lines do not fit" not in rendered
        for number, passage in enumerate(part.passages, wanted.first):
            found[number - 1] += passage.text
        following = wanted.following
        if following is None:
            break
        assert f'pages="{following}")' in rendered
    assert following is None
    assert found == [one.text for one in whole.passages]


def test_what_was_left_out_is_said() -> None:
    wanted = Wanted.parse("1")
    part = wanted.take(pages("one", "two", passages_in_file=9, cut=True))
    text = reading_text(reading_data(7, part, wanted), "#7", cut=part.cut, of_sender=False)
    assert text.notes == [
        "The file has 9 pages, of which the first 2 were read.",
        "Of a very long page only the beginning was read.",
    ]


# Exports.


async def test_exports_show_what_was_read_as_what_it_is(stocked: Archive, tmp_path: Path) -> None:
    long = "word " * 200
    await stocked.write(recording.record_reading, "silent", heard(long, "the end"))
    await export(stocked, tmp_path / "out.txt", "text", MessageFilter(), zone=UTC)
    text = (tmp_path / "out.txt").read_text(encoding="utf-8")
    assert "Ann Lee 🎤 0:42: “See you\nat six”" in text
    assert f"Ann Lee 🎤 0:42: “{long}\nthe end”" in text
    assert "Bob: [document: contract.pdf] “The landlord\nThe deposit is 900 EUR\nSigned”" in text
    assert "Bob: [image] “Total 12.90”\nfrom the shop" in text
    await export(stocked, tmp_path / "out.html", "html", MessageFilter(), zone=UTC)
    assert "Ann Lee 🎤 0:42 · 2026-" in (tmp_path / "out.html").read_text(encoding="utf-8")
    await export(stocked, tmp_path / "out.jsonl", "jsonl", MessageFilter(), zone=UTC)
    told = [json.loads(one) for one in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    (silent,) = [each for each in told if each["message_id"] == "silent"]
    assert silent["text"] == ""
    assert silent["reading"]["text"] == f"{long}\nthe end"


async def test_an_export_by_an_agent_has_the_words_of_who_speaks_and_of_no_file(
    client: Client, tmp_path: Path
) -> None:
    _, data = await answer(client, "export_chat", chat="Ann Lee")
    assert "🎤 0:42: “See you\nat six”" in await anyio.Path(data["path"]).read_text(encoding="utf-8")
    assert tainted(tmp_path) == set()
    _, data = await answer(client, "export_chat", chat="Bob")
    assert "900 EUR" not in await anyio.Path(data["path"]).read_text(encoding="utf-8")
