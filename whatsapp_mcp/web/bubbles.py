"""A message as a page shows it: what it is beside its text, its file, and where a new day begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from whatsapp_mcp.jid import number_of
from whatsapp_mcp.models import MessageKind
from whatsapp_mcp.web import formats

if TYPE_CHECKING:
    from whatsapp_mcp.models import Media, Message

TEXT_SHOWN: Final = 4_000
"""Characters of a message in a list; the page of the message has all of them."""
_CHOICES_SHOWN: Final = 12
"""Buttons, or rows of a list, that a message shows."""
_MILLISECONDS: Final = 10**11
"""A larger number is one of milliseconds: in seconds it would lie behind the year 5000."""
_PLAYERS: Final[dict[MessageKind, Literal["picture", "video", "audio"]]] = {
    MessageKind.IMAGE: "picture",
    MessageKind.STICKER: "picture",
    MessageKind.VIDEO: "video",
    MessageKind.GIF: "video",
    MessageKind.AUDIO: "audio",
    MessageKind.VOICE: "audio",
}
"""How a browser shows files of a kind; others are only offered for download."""
_UNSAID: Final = {
    MessageKind.UNDECRYPTABLE: "This message could not be decrypted; the phone may have it.",
    MessageKind.UNKNOWN: "A kind of message that this version does not know.",
}


class Part(NamedTuple):
    """A part of a snippet, and whether it was searched for."""

    text: str
    is_hit: bool


@dataclass(frozen=True, slots=True)
class Bubble:
    """A message on a page.

    Attributes:
        day: The day that begins with it; None where it is that of the message before.
        label: What it is, where it is no plain text.
        facts: What only its kind has, line by line.
        text: What it says.
        is_cut: The text goes on.
        player: How a file that is here is shown; None where it is only offered for download.
        reactions: Each emoji with how many, and who.
        snippet: In a search result, the words around the hit.
    """

    message: Message
    day: str | None
    label: str | None
    facts: tuple[str, ...]
    text: str
    is_cut: bool
    player: Literal["picture", "video", "audio"] | None
    reactions: tuple[tuple[str, int, str], ...]
    snippet: tuple[Part, ...] = ()


def bubbles(messages: Iterable[Message], zone: tzinfo, *, whole: bool = False) -> Iterator[Bubble]:
    """Messages for a page, in their order; `whole` cuts no text."""
    before = None
    for message in messages:
        day = formats.day(message.timestamp, zone)
        yield _bubble(message, None if day == before else day, zone, whole=whole)
        before = day


def _bubble(message: Message, day: str | None, zone: tzinfo, *, whole: bool) -> Bubble:
    text = "" if message.revoked_at else _text(message)
    is_cut = not whole and len(text) > TEXT_SHOWN
    return Bubble(
        message,
        day,
        _label(message),
        () if message.revoked_at else tuple(_facts(message.details or {}, zone)),
        text[:TEXT_SHOWN] if is_cut else text,
        is_cut,
        _PLAYERS.get(message.kind),
        _reactions(message),
        tuple(_parts(message.snippet)) if message.snippet else (),
    )


def _text(message: Message) -> str:
    details = message.details or {}
    title = details.get("title")
    return message.spoken.removeprefix(title).lstrip() if title else message.spoken


def _label(message: Message) -> str | None:
    if message.revoked_at:
        return "Deleted message"
    if message.kind in _UNSAID:
        return _UNSAID[message.kind]
    details = message.details or {}
    if message.kind is MessageKind.CALL:
        return _call(details.get("call") or {})
    if what := details.get("what"):
        return str(what)[:1].upper() + str(what)[1:]
    if message.kind in {MessageKind.TEXT, MessageKind.SYSTEM} or message.kind in _PLAYERS:
        return None
    return message.kind.value.replace("_", " ").capitalize()


def _call(call: Mapping[str, Any]) -> str:
    words = ["Video call" if call.get("video") else "Voice call"]
    if outcome := call.get("outcome"):
        words.append(str(outcome).replace("_", " "))
    if duration := call.get("duration"):
        words.append(formats.span(duration))
    return ", ".join(words)


def _facts(details: Mapping[str, Any], zone: tzinfo) -> Iterator[str]:
    words = [str(details[key]) for key in ("title", "price") if details.get(key)]
    if items := details.get("items"):
        words.append(f"{items} item{'' if items == 1 else 's'}")
    if words:
        yield " · ".join(words)
    if details.get("cancelled"):
        yield "Cancelled"
    for key, told in (("starts_at", "Begins"), ("ends_at", "Ends"), ("expires_at", "Expires")):
        moment = _moment(details.get(key))
        if moment is not None:
            yield f"{told} {formats.when(moment, zone)}"
    if "latitude" in details:
        accuracy = f" ±{details['accuracy']} m" if "accuracy" in details else ""
        yield f"{details['latitude']}, {details['longitude']}{accuracy}"
    choices: Sequence[str] = details.get("choices") or ()
    yield from (f"▫ {choice}" for choice in choices[:_CHOICES_SHOWN])
    for what, count in (details.get("left_out") or {}).items():
        yield f"{count} {what} left out"


def _moment(value: Any) -> datetime | None:
    """Seconds since 1970, or milliseconds where seconds would be thousands of years ahead."""
    try:
        seconds = value / 1000 if value > _MILLISECONDS else value
        return datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _reactions(message: Message) -> tuple[tuple[str, int, str], ...]:
    who: dict[str, list[str]] = {}
    for one in message.reactions:
        who.setdefault(one.emoji, []).append("You" if one.from_me else formats.called(one.sender_name))
    counted = Counter(one.emoji for one in message.reactions).most_common()
    return tuple((emoji, count, ", ".join(who[emoji][:20])) for emoji, count in counted)


def _parts(snippet: str) -> Iterator[Part]:
    """Between `**` stand hits."""
    for number, text in enumerate(snippet.split("**")):
        if text:
            yield Part(text, number % 2 == 1)


def preview(message: Any) -> str:
    """The newest message of a chat in one line, as lists of chats show it."""
    if message is None:
        return ""
    if message.revoked:
        return "Deleted message"
    if message.heard:
        return f"🎤 {message.heard}"
    text = " ".join(message.text.split())
    if message.kind is MessageKind.TEXT or (message.kind is MessageKind.SYSTEM and text):
        return text
    kind = message.kind.value.replace("_", " ").capitalize()
    return f"{kind}: {text}" if text else kind


def file_title(media: Media, sender: str) -> str:
    """Return the title of a file: its name, or else one that names its sender."""
    return media.file_name or f"File of {number_of(sender) or 'this message'}"
