"""What lists of messages say of themselves: what they are of, what is left, and what came before."""

from __future__ import annotations

from datetime import timedelta

import pytest
from mcp import Client

from tests.archive import events as ev
from tests.server.conftest import BOB, CLUB, incoming
from tests.server.fakes import NOON
from tests.server.test_core_tools import answer, refusal
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.server.render.text import THAT_IS_ALL

AT = int(NOON.timestamp())
pytestmark = pytest.mark.anyio


async def fill(archive: Archive, count: int, *, chat: str = CLUB, sender: str = BOB) -> None:
    """Messages of the last minutes, the newest one the last."""
    await archive.ingest(
        [
            incoming(100 + n, chat, sender, f"word {n}", NOON - timedelta(minutes=count - n))
            for n in range(count)
        ]
    )


async def test_a_list_says_how_many_older_messages_are_left_or_that_it_is_all(
    client: Client, archive: Archive
) -> None:
    await fill(archive, 30)
    text, data = await answer(client, "list_messages", chat="Boat club", limit=10)
    assert text.splitlines()[-1] == f"22 older. More: cursor={data['next_cursor']}"
    text, data = await answer(client, "list_messages", chat="Boat club", sender="Bob", limit=10)
    assert text.splitlines()[-1] == f"21 older. More: cursor={data['next_cursor']}"
    text, data = await answer(client, "list_messages", chat="Boat club", limit=32)
    assert THAT_IS_ALL in text
    assert "left" not in data
    text, _ = await answer(client, "search_messages", query="word", limit=40)
    assert THAT_IS_ALL in text


async def test_no_more_than_200_of_what_is_left_are_counted(client: Client, archive: Archive) -> None:
    await fill(archive, 260)
    text, data = await answer(client, "list_messages", chat="Boat club", limit=10)
    assert "200+ older. More: cursor=" in text
    assert (data["left"], data["left_at_least"]) == (200, True)
    text, _ = await answer(client, "list_messages", chat="Boat club", limit=100)
    assert "162 older. More: cursor=" in text


async def test_only_a_list_of_everything_says_where_the_archive_of_a_chat_begins(client: Client) -> None:
    begins = "The archive of this chat begins here"
    for given, said in (
        ({}, True),
        ({"until": "today"}, True),
        ({"sender": "Bob"}, False),
        ({"kind": "text"}, False),
    ):
        text, _ = await answer(client, "list_messages", chat="Boat club", **given)
        assert (begins in text) == said, given
        assert THAT_IS_ALL in text


async def test_a_list_says_what_it_was_narrowed_to(client: Client) -> None:
    text, _ = await answer(
        client,
        "list_messages",
        chat="Boat club",
        sender="Bob",
        kind=["text", "image"],
        unread=True,
        from_me=False,
        since="2026-11-23",
        until="2026-11-24",
    )
    assert text.startswith(
        "Messages of “Boat club” (text or image, from Bob, from others, unread, "
        "since Mon 2026-11-23, until Tue 2026-11-24 inclusive):"
    )
    text, _ = await answer(client, "list_messages", mentions_me=True, until="2026-11-24T14:03")
    assert text.startswith("Messages of all chats (mentioning me, before Tue 2026-11-24 14:04)")


async def test_a_search_repeats_the_whole_query_and_where_it_was_sought(client: Client) -> None:
    words = " OR ".join(f"harbour{n}" for n in range(20))
    text, _ = await answer(
        client, "search_messages", query=f"paint OR {words}", chat="Boat club", sender="Bob"
    )
    assert text.startswith(f"Messages with “paint OR {words}” in “Boat club” (from Bob), newest first:")


async def test_a_hit_in_a_mixed_list_says_from_which_chat_it_is(client: Client) -> None:
    text, _ = await answer(client, "search_messages", query="paint OR keys OR eight")
    assert "Bob: Who has the **keys**?" in text
    assert "Bob in Boat club: The boat needs **paint**" in text
    assert "me to Ann Lee: Yes, at **eight**" in text


async def test_a_hit_in_the_name_of_a_file_leaves_the_caption(client: Client, archive: Archive) -> None:
    name = f"{'x' * 70} harbour plan.pdf"
    body = E2E.Message()
    body.documentMessage.fileName = name
    body.documentMessage.caption = "As agreed with the council"
    await archive.ingest(ev.journal([ev.message("D1", body, chat=BOB, at=AT)], 50))
    text, _ = await answer(client, "search_messages", query="harbour")
    assert "**harbour** plan.pdf”] As agreed with the council" in text
    text, _ = await answer(client, "search_messages", query="council")
    assert "As agreed with the **council**" in text
    text, _ = await answer(client, "search_messages", query="harbour", detail="full")
    assert f"“{name}”" in text
    text, _ = await answer(client, "list_messages", chat="Bob", detail="full")
    assert f"“{name}”" in text


async def test_a_hit_in_an_option_of_a_poll_leaves_its_question(client: Client, archive: Archive) -> None:
    body = E2E.Message()
    body.pollCreationMessage.name = "Which colour?"
    for option in ("Deep blue", "Red"):
        body.pollCreationMessage.options.add().optionName = option
    await archive.ingest(ev.journal([ev.message("P1", body, chat=CLUB, sender=BOB, at=AT)], 50))
    text, _ = await answer(client, "search_messages", query="deep")
    assert "[poll] “Which colour?” “Deep blue” 0; “Red” 0" in text
    text, _ = await answer(client, "search_messages", query="colour")
    assert "[poll] “Which **colour**?” “Deep blue” 0; “Red” 0" in text


async def test_an_edited_message_says_how_its_earlier_text_is_seen(client: Client, archive: Archive) -> None:
    body = E2E.Message(conversation="We meet at six")
    said = ev.message("E1", body, chat=CLUB, sender=BOB, at=AT)
    edited = ev.edit("E1", "We meet at seven", chat=CLUB, sender=BOB, at=AT + 5)
    await archive.ingest(ev.journal([said, edited], 50))
    text, _ = await answer(client, "list_messages", chat="Boat club")
    assert "Bob (edited; detail=full shows the earlier text): We meet at seven" in text
    text, _ = await answer(client, "list_messages", chat="Boat club", detail="full")
    assert " (edited): We meet at seven (was: We meet at six)" in text


async def test_what_is_unread_stands_chat_by_chat_with_counts_oldest_first(
    client: Client, archive: Archive
) -> None:
    await fill(archive, 30)
    text, _ = await answer(client, "list_messages", unread=True, limit=20)
    assert text.startswith("Messages of all chats (unread), chat by chat, the newest first:\n")
    lines = [line for line in text.splitlines() if " unread" in line or "word" in line or "keys" in line]
    assert lines[0] == "Bob, 1 unread"
    assert lines[1].endswith("Bob: Who has the keys?")
    assert lines[2] == "Boat club, 32 unread"
    assert [line.split("Bob: ")[1] for line in lines[3:]] == [f"word {n}" for n in range(12, 30)]
    assert "13 older. More: cursor=" in text
    assert " in Boat club" not in text


async def test_each_message_comes_with_those_before_it_marked_and_told_once(
    client: Client, archive: Archive
) -> None:
    text, data = await answer(client, "list_messages", from_me=True, context=2)
    assert [(m["text"], m.get("context", False)) for m in data["messages"]] == [
        ("Are you coming on Saturday?", True),
        ("Yes, at eight", False),
    ]
    assert f"· {data['messages'][0]['ref']} 18:00 Ann Lee: Are you coming on Saturday?" in text
    await fill(archive, 4)
    _, data = await answer(client, "list_messages", chat="Boat club", limit=2, context=3)
    refs = [message["ref"] for message in data["messages"]]
    assert len(set(refs)) == len(refs) == 5
    assert [message.get("context", False) for message in data["messages"]] == [True] * 3 + [False] * 2


async def test_a_hit_comes_with_what_was_said_before_it(client: Client, archive: Archive) -> None:
    await archive.ingest(
        [
            incoming(100 + n, CLUB, BOB, text, NOON + timedelta(minutes=n))
            for n, text in enumerate(("Who brings the ladder?", "nobody?", "yes, gladly", "gladly, too"))
        ]
    )
    text, data = await answer(client, "search_messages", query="gladly", context=2)
    assert text.startswith("Messages with “gladly”, newest first, each after up to 2 before it (·):")
    assert [(m["text"], m.get("context", False)) for m in data["messages"]] == [
        ("gladly, too", False),
        ("Who brings the ladder?", True),
        ("nobody?", True),
        ("yes, gladly", False),
    ]
    assert "· " + data["messages"][1]["ref"] in text
    text, _ = await answer(client, "search_messages", query="gladly")
    assert "ladder" not in text


@pytest.mark.parametrize("tool", ["list_messages", "search_messages"])
async def test_no_more_than_ten_messages_of_context_are_shown(client: Client, tool: str) -> None:
    query = {"query": "paint"} if tool == "search_messages" else {}
    error = await refusal(client, tool, **query, context=11)
    assert error["code"] == "INVALID_ARGUMENT"
    assert "'context' must be between 0 and 10" in error["message"]
