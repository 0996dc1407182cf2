"""What is no plain text is shown as what it is, in brackets before its words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from whatsapp_mcp.models import Chat, ChatKind, LastMessage, Media, Message, MessageKind, Page
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


@pytest.mark.parametrize(("kind", "text", "media", "details", "shown"), SHOWN)
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
