"""What is no plain text is shown as what it is, in brackets before its words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.tables import for_each
from whatsapp_mcp.models import (
    Album,
    Chat,
    ChatKind,
    LastMessage,
    Media,
    Message,
    MessageKind,
    Page,
    Reaction,
)
from whatsapp_mcp.server.render import chats_data, chats_text, messages_data, messages_text

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
EXPIRES = int(datetime(2026, 12, 3, 19, 0, tzinfo=UTC).timestamp())
CHAT = "15550002222@s.whatsapp.net"

SHOWN: list[tuple[MessageKind, str, Media | None, dict[str, Any], str]] = [
    (
        MessageKind.TEXT, "Shall we?", None, {"what": "buttons", "choices": ["Yes", "No\n#1"]},
        "[buttons: Yes | No ⏎ #1] Shall we?",
    ),
    (
        MessageKind.IMAGE, "Shall we?", Media("image/jpeg", size=340_000),
        {"what": "buttons", "choices": ["Yes"]},
        "[image 340 kB, buttons: Yes] Shall we?",
    ),
    (
        MessageKind.TEXT, "Boat\nRed", None, {"what": "product", "title": "Boat", "price": "12.00 EUR"},
        "[product “Boat” 12.00 EUR] Red",
    ),
    (MessageKind.TEXT, "", None, {"what": "order", "items": 3}, "[order 3 items]"),
    (MessageKind.TEXT, "", None, {"what": "invitation to payments"}, "[invitation to payments]"),
    (
        MessageKind.TEXT, "Club\nCome!", None,
        {"what": "group invite", "title": "Club", "expires_at": EXPIRES},
        "[group invite “Club”, expires Thu 2026-12-03 19:00] Come!",
    ),
    (
        MessageKind.STICKER, "Cats", None, {"what": "sticker pack", "title": "Cats", "items": 1},
        "[sticker pack “Cats” 1 item]",
    ),
    (
        MessageKind.LIVE_LOCATION, "", None,
        {"latitude": 52.5, "longitude": 13.4, "accuracy": 12, "ends_at": EXPIRES},
        "[live location until Thu 2026-12-03 19:00 52.5,13.4 ±12 m]",
    ),
    (MessageKind.TEXT, "Menu", None, {"choices": ["Soup"]}, "[choices: Soup] Menu"),
    (
        MessageKind.TEXT, "", None, {"what": "list", "choices": [f"Dish {n}" for n in range(14)]},
        "[list: " + " | ".join(f"Dish {n}" for n in range(12)) + " (+2)]",
    ),
]  # fmt: skip


@for_each("kind, text, media, details, shown", SHOWN)
def test_a_message_is_shown_as_what_it_is(
    kind: MessageKind, text: str, media: Media | None, details: dict[str, Any], shown: str
) -> None:
    message = Message(
        1, "3EB0A1", CHAT, "Ann", CHAT, "Ann", False, kind, text, NOW, media=media, details=details
    )
    page = messages_text(messages_data(Page((message,)), UTC), header="Messages")
    assert page.lines[-1] == f"#1 12:00 Ann: {shown}"


def test_the_list_of_chats_says_what_the_last_message_is() -> None:
    last = LastMessage(MessageKind.TEXT, "Boat\nRed", details={"what": "product", "title": "Boat"})
    chat = Chat(CHAT, "Ann", ChatKind.DIRECT, last_message_at=NOW, last_message=last)
    page = chats_text(chats_data(Page((chat,)), UTC), "2026-11-24T13:00:00+00:00")
    assert page.lines[0].endswith(": [product “Boat”] Red")


def pictures(*, here: int) -> Page[Message]:
    """An album of four in a chat, and its files, newest first."""
    refs = tuple(range(2, 2 + here))
    files = [
        Message(
            ref, f"3EB0A{ref}", CHAT, "Ann", CHAT, "Ann", False, MessageKind.IMAGE, "", NOW,
            media=Media("image/jpeg", size=340_000), album_of=1,
        )
        for ref in refs
    ]  # fmt: skip
    album = Message(1, "3EB0A1", CHAT, "Ann", CHAT, "Ann", False, MessageKind.SYSTEM, "", NOW)
    album.album, album.details = Album(4, refs), {"album": {"images": 4, "videos": 0}}
    return Page((*files[::-1], album))


def lines_of(page: Page[Message]) -> list[str]:
    return list(messages_text(messages_data(page, UTC), header="Messages").lines)[1:]


def test_an_album_is_one_line_with_the_refs_of_its_files() -> None:
    assert lines_of(pictures(here=4)) == ["#1 12:00 Ann: [album of 4: #2 #3 #4 #5]"]


def test_what_of_an_album_has_not_come_is_counted() -> None:
    assert lines_of(pictures(here=3)) == ["#1 12:00 Ann: [album of 4: #2 #3 #4, 1 not here]"]
    assert lines_of(pictures(here=0)) == ["#1 12:00 Ann: [album of 4: none is here]"]


def test_a_file_of_an_album_that_has_something_to_say_has_its_own_line() -> None:
    page = pictures(here=4)
    page.items[1].text = "Us at the lake"
    page.items[2].reactions = (Reaction("👍", "Bob"),)
    assert lines_of(page) == [
        "#4 12:00 Ann (in album #1): [image 340 kB] Us at the lake",
        "#3 12:00 Ann (in album #1) {👍}: [image 340 kB]",
        "#1 12:00 Ann: [album of 4: #2 #3 #4 #5]",
    ]


def test_a_file_whose_album_is_on_another_page_says_where_it_belongs() -> None:
    page = pictures(here=4)
    assert lines_of(Page(page.items[3:4]))[-1] == "#2 12:00 Ann (in album #1): [image 340 kB]"
