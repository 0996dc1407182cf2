"""What lists tell of files: the words of voice notes, how much was read in others, and why nothing was."""

from __future__ import annotations

from typing import Final

from whatsapp_mcp.models import MessageKind
from whatsapp_mcp.server.fencing import in_quotes
from whatsapp_mcp.server.render.data import MessageData
from whatsapp_mcp.server.render.kinds import duration_text
from whatsapp_mcp.server.render.readings import HEARD

_SNIPPET: Final = 400


def is_heard(message: MessageData) -> bool:
    """Whether a message is a voice note whose words are shown."""
    return message["kind"] == MessageKind.VOICE and "text" in message.get("reading", {})


def heard_mark(message: MessageData) -> str:
    """` 🎤 0:42`, which stands before the words of a voice note."""
    seconds = message.get("media", {}).get("duration")
    return f" {HEARD}" + (f" {duration_text(seconds)}" if seconds else "")


def heard_text(message: MessageData, limit: int, *, full: bool) -> str:
    """What is said in a voice note, in quotes: somebody spoke, and something else wrote it down.

    Args:
        message: As structured content.
        limit: How many characters.
        full: Show the beginning, and not the words around a hit.
    """
    reading = message.get("reading", {})
    found = message.get("snippet") if message.get("snippet_of") == "reading" and not full else None
    words: str = found or reading["text"]
    more = f" (all of it: read_file {message['ref']})" if "cut" in reading or len(words) > limit else ""
    return f"{in_quotes(words, limit)}{more}"


def file_notes(message: MessageData) -> list[str]:
    """`3 pages read`, and where in them a hit is; or why nothing was read."""
    if "problem" in message:
        return [message["problem"]]
    reading = message.get("reading")
    if reading is None:
        return []
    pages: int = reading["pages"]
    if message.get("snippet_of") == "reading":
        where = f"on page {message['snippet_page']}" if "snippet_page" in message and pages > 1 else "in it"
        snippet = message.get("snippet")
        words = f" {in_quotes(snippet, _SNIPPET)}" if snippet else ""
        return [f"found {where}{words}: read_file {message['ref']}"]
    if reading["kind"] == "document" and pages:
        return [f"{pages} page{'' if pages == 1 else 's'} read"]
    return ["words read" if pages else "no words in it"]
