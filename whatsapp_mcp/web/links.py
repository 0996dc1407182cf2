"""Where pages lead that several of them name."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

CHATS: Final = "/chats"
PEOPLE: Final = "/people"


def chat_path(jid: str, ref: int | None = None) -> str:
    """The page of a chat; with a message's ref, where that stands."""
    place = "" if ref is None else f"?at={ref}#m{ref}"
    return f"{CHATS}/{quote(jid, safe='@')}{place}"


def person_path(jid: str) -> str:
    """The page of a person."""
    return f"{PEOPLE}/{quote(jid, safe='@')}"
