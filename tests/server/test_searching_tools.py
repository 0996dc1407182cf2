"""Finding, context, people, receipts and waiting over a real archive."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import anyio
import pytest
from mcp import Client

from tests.archive import events as ev
from tests.server.conftest import ANN_LEE, ANN_MAY, BOB, CLUB, ME, incoming
from tests.server.fakes import FENCE, NOON, FakeDevice
from tests.server.test_core_tools import answer, refusal
from whatsapp_mcp.archive import Archive, outbox, recording
from whatsapp_mcp.errors import NotConnected
from whatsapp_mcp.models import ContactUpdate, GroupUpdate, SendRequest, TextContent
from whatsapp_mcp.server.tools import waiting
from whatsapp_mcp.server.tools.searching import OTHERWISE

pytestmark = pytest.mark.anyio


async def test_a_search_finds_words_and_marks_them(client: Client) -> None:
    text, data = await answer(client, "search_messages", query="PAINT")
    assert [message["text"] for message in data["messages"]] == [
        "We decided to paint it blue",
        "The boat needs paint",
    ]
    assert "Ann May in Boat club: We decided to **paint** it blue" in text


async def test_a_search_stays_in_its_chat_and_sender(client: Client) -> None:
    _, data = await answer(client, "search_messages", query="paint", chat="Boat club", sender="Bob")
    assert data["chat"] == CLUB
    assert len(data["messages"]) == 1


async def test_where_no_message_has_all_words_the_closest_are_told_as_such(client: Client) -> None:
    text, data = await answer(client, "search_messages", query="paint harbour keyring")
    assert text.startswith("No message with “paint harbour keyring”; closest:")
    assert [message["text"] for message in data["messages"]] == [
        "The boat needs paint",
        "We decided to paint it blue",
    ]
    text, data = await answer(client, "search_messages", query="pain")
    assert text.startswith("No message with “pain”; closest:")
    assert len(data["messages"]) == 2
    for query, hint in (
        ("harbour", ""),
        ("paint from:Ann in:Bob", "Without the words: 0.\n"),
        ("paint -boat keyring from:Nobody", "Nobody is called “Nobody”.\n"),
    ):
        text, _ = await answer(client, "search_messages", query=query, chat="Bob")
        assert text == f"Messages with “{query}” in Bob: none.\n{hint}{OTHERWISE}"


async def test_what_others_wrote_is_closest_where_a_sender_did_not(client: Client) -> None:
    for name in ("Ann Lee", "Zacharias"):
        query = f"paint from:“{name}”"
        text, data = await answer(client, "search_messages", query=query)
        assert text.startswith("No message with “paint from:")
        assert "; closest:\n" in text
        assert {message["sender_name"] for message in data["messages"]} == {"Ann May", "Bob"}


async def test_few_hits_come_with_the_chats_that_bear_a_word_of_the_query(client: Client) -> None:
    text, data = await answer(client, "search_messages", query="boat OR boot")
    assert text.splitlines()[-1] == "Chats of that name: “Boat club”"
    assert data["chats_named"] == [{"chat": CLUB, "chat_name": "Boat club"}]
    _, data = await answer(client, "search_messages", query="boat", chat="Boat club")
    assert "chats_named" not in data


async def test_an_operator_after_or_is_said_to_narrow_the_whole_search(client: Client) -> None:
    text, data = await answer(client, "search_messages", query="paint OR from:Bob")
    assert [message["text"] for message in data["messages"]] == ["The boat needs paint"]
    assert "OR joins words, has: and is:; from:Bob narrows the whole search." in text
    _, data = await answer(client, "search_messages", query="paint from:Bob")
    assert "notes" not in data


async def test_where_a_kind_of_message_has_no_such_word_it_is_said_how_many_there_are_without(
    client: Client,
) -> None:
    text, _ = await answer(client, "search_messages", query="zebra from:Bob")
    assert "Without the words: 2." in text
    text, _ = await answer(client, "search_messages", query="zebra has:document", chat="Bob")
    assert "Without the words: 0." in text
    for query in ("paint from:Bob", "zebra", "has:document"):
        text, _ = await answer(client, "search_messages", query=query)
        assert "Without the words" not in text


async def test_for_a_sender_whom_nobody_is_called_the_closest_names_are_told(
    client: Client, archive: Archive
) -> None:
    await archive.write(
        recording.record_contacts, [ContactUpdate("15550006666@s.whatsapp.net", saved_name="Johanna Weiss")]
    )
    text, _ = await answer(client, "search_messages", query="paint from:Joana-Maria")
    assert "Nobody is called “Joana-Maria”; closest: Johanna Weiss +15550006666" in text
    text, _ = await answer(client, "search_messages", query="paint from:Xq")
    assert "Nobody is called “Xq”." in text


async def test_no_query_is_a_syntax_error(client: Client) -> None:
    await answer(client, "search_messages", query='"open (and: -* in:')
    assert (await refusal(client, "search_messages", query=" "))["code"] == "INVALID_ARGUMENT"


async def test_a_message_is_shown_among_its_neighbours(client: Client) -> None:
    _, found = await answer(client, "search_messages", query="decided")
    _, data = await answer(client, "get_message_context", message=found["messages"][0]["ref"], after=0)
    assert [message["text"] for message in data["messages"]] == [
        "The boat needs paint",
        "We decided to paint it blue",
    ]
    assert (await refusal(client, "get_message_context", message="#777"))["code"] == "MESSAGE_NOT_FOUND"


async def test_how_many_messages_may_stand_around_one_is_in_the_schema_and_holds(client: Client) -> None:
    (tool,) = [one for one in (await client.list_tools()).tools if one.name == "get_message_context"]
    for side in ("before", "after"):
        most = tool.input_schema["properties"][side]["maximum"]
        assert most == 100
        await answer(client, "get_message_context", message="M3", **{side: most})
        error = await refusal(client, "get_message_context", message="M3", **{side: most + 1})
        assert error["code"] == "INVALID_ARGUMENT"


async def test_people_are_found_by_name_and_number(client: Client) -> None:
    for query in ("bob", "4444"):
        text, data = await answer(client, "search_contacts", query=query)
        assert [contact["jid"] for contact in data["contacts"]] == [BOB], query
    assert "Bob +15550004444" in text


async def test_a_send_can_be_followed_by_its_message_or_number(client: Client, archive: Archive) -> None:
    entry, _ = await archive.write(outbox.add, SendRequest(ANN_LEE, TextContent("hi")))
    text, data = await answer(client, "message_status", send_id=entry.send_id)
    assert (data["status"], text) == ("queued", "queued")
    await archive.write(outbox.sending, entry.send_id)
    await archive.outbox_sent(entry.send_id, "3EB0FF", NOON)
    _, data = await answer(client, "message_status", message="3EB0FF")
    assert data["status"] == "sent"
    assert (await refusal(client, "message_status", message="nothing"))["code"] == "MESSAGE_NOT_FOUND"
    assert (await refusal(client, "message_status"))["code"] == "INVALID_ARGUMENT"


async def test_of_a_message_in_a_group_it_is_told_who_read_it_who_got_it_and_of_whom_nothing_is_known(
    client: Client, archive: Archive
) -> None:
    members = tuple((jid, None, False, False) for jid in (ME, ANN_LEE, ANN_MAY, BOB))
    await archive.write(recording.record_groups, [GroupUpdate(CLUB, "Boat club", members)])
    read, delivered = NOON + timedelta(minutes=5), NOON + timedelta(minutes=1)
    told = (
        ev.message("G1", "Regatta?", chat=CLUB, sender=None, at=int(NOON.timestamp())),
        ev.receipt("G1", chat=CLUB, sender=ANN_LEE, at=int(read.timestamp())),
        ev.receipt("G1", kind="DELIVERED", chat=CLUB, sender=BOB, at=int(delivered.timestamp())),
    )
    await archive.ingest(ev.journal(told, after=100))
    text, _ = await answer(client, "message_status", message="G1")
    assert set(text.splitlines()[1:]) - set(FENCE) == {
        "Ann Lee: read 2026-11-24 12:05",
        "Bob: delivered 2026-11-24 12:01",
        "Ann May: no receipt yet",
        "(delivered: not read, or read receipts are off)",
    }


async def test_in_a_group_of_1024_counts_come_first_and_every_member_on_one_of_the_pages(
    client: Client, archive: Archive
) -> None:
    people = [f"1555{number:07}@s.whatsapp.net" for number in range(1023)]
    await archive.write(
        recording.record_groups,
        [GroupUpdate(CLUB, "Boat club", tuple((jid, None, False, False) for jid in (ME, *people)))],
    )
    at = int(NOON.timestamp())
    told = [ev.message("G1", "Regatta?", chat=CLUB, sender=None, at=at)]
    told += [ev.receipt("G1", chat=CLUB, sender=jid, at=at + 60) for jid in people[:3]]
    told += [ev.receipt("G1", kind="DELIVERED", chat=CLUB, sender=jid, at=at + 5) for jid in people[3:10]]
    await archive.ingest(ev.journal(told, after=100))
    text, data = await answer(client, "message_status", message="G1")
    assert text.splitlines()[0].endswith(" sent; read 3, delivered 7, no receipt 1013")
    assert len(text) < 5000
    named = [one["contact"] for one in data["deliveries"]]
    assert len(named) == 100
    while (cursor := data["next_cursor"]) is not None:
        assert text.splitlines()[-1] == f"More: cursor={cursor}"
        text, data = await answer(client, "message_status", message="G1", cursor=cursor)
        assert data["counts"] == {"read": 3, "delivered": 7, "without": 1013}
        named += [one["contact"] for one in data["deliveries"]]
    assert "More" not in text
    assert (len(named), len(set(named))) == (1023, 1023)


async def test_a_cursor_of_another_messages_receipts_is_refused(client: Client, archive: Archive) -> None:
    members = tuple((f"1555{number:07}@s.whatsapp.net", None, False, False) for number in range(120))
    await archive.write(recording.record_groups, [GroupUpdate(CLUB, "Boat club", members)])
    told = [
        ev.message(wa_id, "Hi", chat=CLUB, sender=None, at=int(NOON.timestamp())) for wa_id in ("G1", "G2")
    ]
    await archive.ingest(ev.journal(told, after=100))
    _, data = await answer(client, "message_status", message="G1")
    refused = await refusal(client, "message_status", message="G2", cursor=data["next_cursor"])
    assert refused["code"] == "INVALID_ARGUMENT"


async def test_of_a_message_from_before_linking_it_is_said_that_nobodys_receipt_is_known(
    client: Client, archive: Archive
) -> None:
    members = tuple((jid, None, False, False) for jid in (ME, ANN_LEE))
    await archive.write(recording.record_groups, [GroupUpdate(CLUB, "Boat club", members)])
    past = ev.web_message("G2", "Regatta?", chat=CLUB, sender=None, at=int(NOON.timestamp()), status=3)
    await archive.ingest(ev.journal([ev.history(ev.conversation([past], chat=CLUB))], after=100))
    text, _ = await answer(client, "message_status", message="G2")
    assert text.splitlines()[-1] == "(delivered: as the phone told it; by whom and when is not known)"


async def test_waiting_answers_when_a_message_comes(client: Client, archive: Archive) -> None:
    async with anyio.create_task_group() as tasks:

        async def speak() -> None:
            await anyio.sleep(0.2)
            await archive.ingest([incoming(20, BOB, BOB, "here I am", NOON)])

        tasks.start_soon(speak)
        with anyio.fail_after(30):
            _, data = await answer(client, "wait_for_messages", chat="Bob", wait=9)
        assert [message["text"] for message in data["messages"]] == ["here I am"]


async def test_waiting_goes_on_from_its_cursor_without_a_gap(client: Client, archive: Archive) -> None:
    text, first = await answer(client, "wait_for_messages", wait=0)
    assert first["messages"] == []
    assert f"cursor={first['next_cursor']}" in text
    at = NOON + timedelta(hours=1)
    await archive.ingest([incoming(20, BOB, BOB, "one", at), incoming(21, ANN_LEE, ANN_LEE, "two", at)])
    _, second = await answer(client, "wait_for_messages", cursor=first["next_cursor"], wait=1)
    assert [message["text"] for message in second["messages"]] == ["one", "two"]
    _, third = await answer(client, "wait_for_messages", cursor=second["next_cursor"], wait=0)
    assert third["messages"] == []
    _, filtered = await answer(client, "wait_for_messages", cursor=first["next_cursor"], text="TWO", wait=0)
    assert [message["text"] for message in filtered["messages"]] == ["two"]
    assert (await refusal(client, "wait_for_messages", cursor="x"))["code"] == "INVALID_ARGUMENT"
    assert (await refusal(client, "wait_for_messages", wait=51))["code"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("filters", "texts"),
    [
        ({"chat": "Boat club"}, ["in the club", "@me look"]),
        ({"sender": "Bob"}, ["to you", "in the club"]),
        ({"sender": "Ann May", "chat": "Boat club"}, ["@me look"]),
        ({"mentions_me": True}, ["@me look"]),
        ({"text": "CLUB"}, ["in the club"]),
        ({}, ["to you", "in the club", "@me look"]),
    ],
    ids=repr,
)
async def test_what_is_waited_for_may_be_a_chat_a_sender_a_mention_or_a_text(
    client: Client, archive: Archive, filters: dict[str, Any], texts: list[str]
) -> None:
    _, begin = await answer(client, "wait_for_messages", wait=0)
    at = NOON + timedelta(hours=1)
    await archive.ingest(
        [
            incoming(20, BOB, BOB, "to you", at),
            incoming(21, CLUB, BOB, "in the club", at),
            incoming(22, CLUB, ANN_MAY, "@me look", at, mentions=ME),
            incoming(23, CLUB, ME, "of mine", at, from_me=True),
        ]
    )
    _, data = await answer(client, "wait_for_messages", wait=0, cursor=begin["next_cursor"], **filters)
    assert [message["text"] for message in data["messages"]] == texts


async def test_a_wait_tells_how_far_it_is(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SLICE", 0.02)
    told: list[tuple[float, float]] = []

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total or 0))

    await client.call_tool("wait_for_messages", {"wait": 0.2}, progress_callback=tell)
    assert len(told) > 1
    assert told == sorted(told)
    assert all(0 < progress <= total == 0.2 for progress, total in told)


async def test_an_answer_quicker_than_the_wait_for_it_is_told(client: Client, archive: Archive) -> None:
    at = NOON + timedelta(hours=1)
    await archive.ingest([incoming(20, BOB, BOB, "before", at)])
    await archive.write(outbox.add, SendRequest(BOB, TextContent("are you there?")))
    await archive.ingest([incoming(21, BOB, BOB, "yes", at)])
    for chat in ({"chat": "Bob"}, {}):
        _, data = await answer(client, "wait_for_messages", wait=0, **chat)
        assert [message["text"] for message in data["messages"]] == ["yes"]
    await archive.write(outbox.add, SendRequest(ANN_LEE, TextContent("and you?")))
    _, elsewhere = await answer(client, "wait_for_messages", wait=0)
    assert elsewhere["messages"] == []


async def test_waiting_ends_in_time_although_more_has_come_than_is_read_at_once(
    client: Client, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_BATCH", 1)
    _, begin = await answer(client, "wait_for_messages", wait=0)
    at = NOON + timedelta(hours=1)
    await archive.ingest([incoming(20, BOB, BOB, "one", at), incoming(21, ANN_LEE, ANN_LEE, "two", at)])
    _, data = await answer(client, "wait_for_messages", cursor=begin["next_cursor"], wait=0)
    assert [message["text"] for message in data["messages"]] == ["one"]
    _, rest = await answer(client, "wait_for_messages", cursor=data["next_cursor"], wait=0)
    assert [message["text"] for message in rest["messages"]] == ["two"]


async def test_a_cursor_of_another_archive_is_gone_on_from_and_says_what_was_missed(
    client: Client, archive: Archive
) -> None:
    beyond = f"w{await archive.last_change() + 1000}"
    text, data = await answer(client, "wait_for_messages", cursor=beyond, wait=0)
    assert "may have been missed" in text
    assert int(data["next_cursor"][1:]) <= await archive.last_change()


async def test_what_is_not_waited_for_does_not_prolong_a_burst(
    client: Client, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "SETTLE", 0.3)
    _, begin = await answer(client, "wait_for_messages", wait=0)
    await archive.ingest([incoming(20, BOB, BOB, "here I am", NOON)])
    async with anyio.create_task_group() as tasks:

        async def chatter() -> None:
            for seq in range(21, 1000):
                await archive.ingest([incoming(seq, ANN_LEE, ANN_LEE, "and then", NOON)])
                await anyio.sleep(0.05)

        tasks.start_soon(chatter)
        with anyio.fail_after(30):
            _, data = await answer(
                client, "wait_for_messages", chat="Bob", cursor=begin["next_cursor"], wait=40
            )
        assert [message["text"] for message in data["messages"]] == ["here I am"]
        tasks.cancel_scope.cancel()


async def test_a_burst_goes_on_while_its_sender_is_seen_writing(
    client: Client, device: FakeDevice, archive: Archive
) -> None:
    _, begin = await answer(client, "wait_for_messages", wait=0)
    await archive.ingest([incoming(20, BOB, BOB, "one moment", NOON)])
    device.typing_in = (BOB,)
    async with anyio.create_task_group() as tasks:

        async def write_on() -> None:
            await anyio.sleep(2.5 * waiting.SETTLE)
            await archive.ingest([incoming(21, BOB, BOB, "here it is", NOON)])
            device.typing_in = (ANN_LEE,)

        tasks.start_soon(write_on)
        with anyio.fail_after(30):
            _, data = await answer(client, "wait_for_messages", cursor=begin["next_cursor"], wait=40)
        assert [message["text"] for message in data["messages"]] == ["one moment", "here it is"]


async def test_a_wait_is_over_in_time_although_somebody_writes_on(
    client: Client, device: FakeDevice, archive: Archive
) -> None:
    _, begin = await answer(client, "wait_for_messages", wait=0)
    await archive.ingest([incoming(20, BOB, BOB, "one moment", NOON)])
    device.typing_in = (BOB,)
    with anyio.fail_after(30):
        _, data = await answer(client, "wait_for_messages", cursor=begin["next_cursor"], wait=0.6)
    assert [message["text"] for message in data["messages"]] == ["one moment"]


async def test_a_wait_says_for_whom_it_waited_and_what_else_came(client: Client, archive: Archive) -> None:
    _, begin = await answer(client, "wait_for_messages", wait=0)
    at = NOON + timedelta(hours=1)
    await archive.ingest(
        [
            incoming(20, BOB, BOB, "here", at),
            incoming(21, CLUB, ANN_MAY, "there", at),
            incoming(22, BOB, ME, "mine", at, from_me=True),
        ]
    )
    cursor = begin["next_cursor"]
    text, data = await answer(client, "wait_for_messages", chat="Ann Lee", wait=0, cursor=cursor)
    assert text.splitlines() == [
        "New messages from Ann Lee in 0 s: none.",
        "Also new meanwhile: Bob 1, “Boat club” 1.",
        f"More: cursor={data['next_cursor']}",
    ]
    assert data["notes"] == ["Also new meanwhile: Bob 1, “Boat club” 1."]
    wanted = {"sender": "Ann May", "chat": "Boat club", "text": "ther"}
    text, _ = await answer(client, "wait_for_messages", **wanted, wait=0, cursor=cursor)
    assert text.startswith("New messages from Ann May in “Boat club” with “ther”:\n<messages ")
    assert "Also new meanwhile: Bob 1." in text
    text, data = await answer(client, "wait_for_messages", wait=0, cursor=cursor)
    assert text.startswith("New messages:")
    assert "notes" not in data


async def test_more_than_an_answer_holds_is_told_by_the_next(client: Client, archive: Archive) -> None:
    _, begin = await answer(client, "wait_for_messages", wait=0)
    await archive.ingest([incoming(seq, BOB, BOB, f"no {seq}", NOON) for seq in range(20, 20 + 60)])
    _, first = await answer(client, "wait_for_messages", cursor=begin["next_cursor"], wait=0)
    _, second = await answer(client, "wait_for_messages", cursor=first["next_cursor"], wait=0)
    texts = [message["text"] for page in (first, second) for message in page["messages"]]
    assert len(first["messages"]) == waiting.MOST
    assert texts == [f"no {seq}" for seq in range(20, 80)]


async def test_a_person_is_told_with_what_whatsapp_shows(client: Client, device: FakeDevice) -> None:
    text, data = await answer(client, "get_contact", contact="Bob")
    assert (data["jid"], data["number"], data["about"]) == (BOB, "+15550004444", "Hey: there\nI am")
    assert data["last_message"]["text"] == "Who has the keys?"
    assert "about: Hey: there ⏎ I am" in text
    device.fails = NotConnected("The link is down.")
    text, data = await answer(client, "get_contact", contact="Bob")
    assert data["number"] == "+15550004444"
    assert "NOT_CONNECTED" in data["note"]
    assert (await refusal(client, "get_contact", contact="Boat club"))["code"] == "CONTACT_NOT_FOUND"


async def test_the_groups_in_common_are_those_that_both_are_in(client: Client, archive: Archive) -> None:
    def people(*jids: str) -> tuple[tuple[str, str | None, bool, bool], ...]:
        return tuple((jid, None, False, False) for jid in jids)

    choir, left = "120363000000000002@g.us", "120363000000000003@g.us"
    await archive.write(
        recording.record_groups,
        [
            GroupUpdate(CLUB, "Boat club", people(ME, BOB, ANN_MAY)),
            GroupUpdate(choir, "Choir", people(ME, BOB)),
            GroupUpdate(left, "Once ours", people(BOB, ANN_MAY)),
        ],
    )
    text, data = await answer(client, "get_contact", contact="Bob")
    assert data["groups"] == [{"jid": CLUB, "name": "Boat club"}, {"jid": choir, "name": "Choir"}]
    assert "groups in common: Boat club, Choir" in text
    _, data = await answer(client, "get_contact", contact="Ann Lee")
    assert "groups" not in data
