"""A message as models read it: one line.

What stands in it before its first `: ` is ours: ref, time, who it is, and what others did to the message.
What stands behind it is the words of whoever is named there, and of nobody else.

The plain files of an album have one line together (`#12 14:03 Ann: [album of 4: #13 #14 #15, 1 not here]`).
Of other files it tells the words of voice notes, how much was read, and why nothing was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

from whatsapp_mcp.jid import GROUP_SERVER, is_person, number_of
from whatsapp_mcp.models import Chat, Message, MessageKind, SendStatus
from whatsapp_mcp.policy import clean, one_line
from whatsapp_mcp.server.fencing import called, chosen_name, identifier, in_quotes, spoken_of, titled
from whatsapp_mcp.server.render.data import (
    FORWARDED,
    MessageData,
    MessagesData,
    WhereData,
    deleted_text,
    withheld_text,
)
from whatsapp_mcp.server.render.kinds import (
    FILE_NAME,
    WHOLE_FILE_NAME,
    duration_text,
    kind_text,
    what_of,
    without_title,
)
from whatsapp_mcp.server.render.readings import HEARD
from whatsapp_mcp.server.render.times import TIME

_PLAIN_FILE: Final = frozenset(
    {
        *("ref", "message_id", "from_me", "sender", "sender_name", "sender_stranger", "kind", "text"),
        *("timestamp", "media", "album_of", "chat", "chat_name", "chat_stranger", "forwarded"),
        *("reading", "status"),
    }
)
"""Keys of a file in an album that the album's line covers; a file with no others is not shown."""
_UNTOLD_STATUS: Final = frozenset({None, "sent", "delivered", "read"})
"""States of a file that the line of its album leaves out."""
_SNIPPET: Final = 400
"""Characters of the words around a hit in a file."""
Detail = Literal["concise", "full"]
CONCISE_TEXT: Final = 400
"""Characters of a text in a concise list."""
FULL_PAGE: Final = 38_000
"""Characters that the texts of a page may have in full, where 4,000 each are fewer."""
OPTION: Final = 80
"""Characters of an option of a poll."""
OPTIONS_SHOWN: Final = 12
"""Options of a poll in a line of a list: as many as WhatsApp's apps allow."""
REACTIONS_SHOWN: Final = 12
"""Reactions, or different emoji, in a line."""
EARLIER_SHOWN: Final = 5
"""Earlier texts of an edited message, the newest ones."""
CONTEXT: Final = "· "
"""Stands before a message that passes no filter and came before one that does."""
_ADDRESSES: Final = 512
"""Jids of which the short form is kept."""
_SETTLED: Final = frozenset(map(str, (SendStatus.SENT, SendStatus.DELIVERED, SendStatus.READ)))
"""States that a concise list leaves out: the message has gone out."""


def album_shown(message: MessageData) -> str:
    """`[album of 4: #13 #14 #15, 1 not here]`; empty if it is no album."""
    if "album" not in message:
        return ""
    expected, files = message["album"]["expected"], message["album"]["files"]
    missing = f", {expected - len(files)} not here" if files and expected > len(files) else ""
    return f"[album of {expected}: {' '.join(files) or 'none is here'}{missing}]"


def _in_album(message: Mapping[str, Any], _: object) -> str:
    """The note of a file that has a line of its own."""
    return f"in album {message['album_of']}"


def unfolded(messages: Sequence[MessageData]) -> Iterator[MessageData]:
    """The messages that get lines: not the plain files of an album that is among them."""
    album_refs = {ref for message in messages if "album" in message for ref in message["album"]["files"]}
    for message in messages:
        if message["ref"] not in album_refs or not _is_plain_file(message):
            yield message


def _is_plain_file(message: MessageData) -> bool:
    settled = message.get("status") in _UNTOLD_STATUS
    return settled and not message["text"] and _PLAIN_FILE.issuperset(message)


def is_heard(message: MessageData) -> bool:
    """Return whether a message is a voice note whose transcript is shown."""
    return message["kind"] == MessageKind.VOICE and "text" in message.get("reading", {})


def heard_mark(message: MessageData) -> str:
    """` 🎤 0:42`, which stands before the words of a voice note."""
    seconds = message.get("media", {}).get("duration")
    return f" {HEARD}" + (f" {duration_text(seconds)}" if seconds else "")


def heard_text(message: MessageData, limit: int, *, full: bool) -> str:
    """Return the transcript of a voice note, in quotes because a program wrote it, not the speaker.

    Args:
        message: As structured content.
        limit: How many characters.
        full: Show the beginning, and not the words around a hit.
    """
    reading = message.get("reading", {})
    snippet = message.get("snippet") if message.get("snippet_of") == "reading" and not full else None
    words: str = snippet or reading["text"]
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


def quoted(text: str, limit: int) -> str:
    """Somebody's words on one line; what was cut is counted."""
    return cut(clean(text), limit)


def cut(text: str, limit: int, more: str = "") -> str:
    """Cut clean text as `quoted` does; `more` says how to see the rest."""
    line = one_line(text)
    return line if len(line) <= limit else f"{line[:limit]}… (+{len(line) - limit} characters{more})"


@lru_cache(_ADDRESSES)
def address(jid: str) -> str:
    """A jid as short as it stays usable: the number of a person, else the jid."""
    return number_of(jid) or identifier(jid)


def chat_called(jid: str, name: str, stranger: bool) -> str:
    """Return a chat's name for use in a sentence; the names of groups and channels are quoted."""
    if not name or name == jid:
        return address(jid)
    return called(name, stranger) if is_person(jid) else titled(name)


def named(chat: Chat) -> str:
    """Return the name of a chat, as `chat_called` gives it."""
    return chat_called(chat.jid, chat.name, chat.stranger)


def place_of(message: Message) -> str:
    """Return the name of a message's chat, as `chat_called` gives it."""
    return chat_called(message.chat, message.chat_name, message.chat_stranger)


@dataclass(slots=True)
class View:
    """Amount of each message that a list shows; `more` says how to see what was cut."""

    full: bool
    limit: int
    more: str


def view_of(detail: Detail, limit: int) -> View:
    """Return the view for a list of this detail, with at most `limit` characters of each message."""
    if detail == "concise":
        return View(False, limit, ": detail=full")
    return View(True, limit, ": a smaller limit" if limit < FULL_PAGE else "")


def body_of(message: MessageData, where: WhereData, view: View) -> str:
    """Return the content of a message on one line."""
    if "revoked_at" in message:
        return deleted_text(direct=is_person(where.get("chat", "")))
    if withheld := message.get("withheld"):
        return withheld_text(message["ref"], withheld)
    if is_heard(message):
        return heard_text(message, view.limit, full=view.full)
    kind, snippet, media = message["kind"], message.get("snippet"), message.get("media")
    details = message.get("details")
    plain = kind == "text" and not what_of(details)
    if plain and snippet is None:
        return cut(message["text"], view.limit, view.more)
    of = message.get("snippet_of", "text") if snippet and not view.full else None
    if media and of == "file_name":
        media = {**media, "file_name": snippet}
    parts: list[str] = []
    if not plain:
        width = WHOLE_FILE_NAME if view.full or of == "file_name" else FILE_NAME
        notes = file_notes(message)
        parts.append(album_shown(message) or kind_text(kind, media, details, width=width, notes=notes))
    text = snippet if snippet and of == "text" else without_title(message["text"], details)
    if text and kind == "poll":
        parts.append(in_quotes(text, view.limit))
    elif text:
        parts.append(cut(text, view.limit, view.more))
    if poll := message.get("poll"):
        parts.append(_options(poll, min(OPTION, view.limit)))
    if left_out := (details or {}).get("left_out"):
        parts.append(f"(left out: {', '.join(f'{count} {what}' for what, count in left_out.items())})")
    return " ".join(parts)


def _options(poll: Sequence[Mapping[str, Any]], width: int) -> str:
    """`“Pizza” 2; “Pasta” 1`."""
    shown = [f"{in_quotes(option['name'], width)} {len(option['voters'])}" for option in poll[:OPTIONS_SHOWN]]
    rest = f" (+{len(poll) - OPTIONS_SHOWN} options)" if len(poll) > OPTIONS_SHOWN else ""
    return "; ".join(shown) + rest


def _answers(quote: Mapping[str, Any]) -> str:
    """Return the note on the message that a reply quotes; outside the archive its author is unknown."""
    if quote["ref"] is not None:
        return f"re {quote['ref']}"
    if not quote["text"]:
        return "reply"
    return f"re {in_quotes(quote['text'], 40)}, author unknown"


_Note = Callable[[Mapping[str, Any], View], str]


def _edited(message: Mapping[str, Any], view: View) -> str:
    if "revoked_at" in message:
        return ""
    shown = view.full or not message.get("earlier")
    return "edited" if shown else "edited; detail=full shows the earlier text"


def _replies(message: Mapping[str, Any], _: View) -> str:
    return _answers(message["reply_to"])


def _imported(_: Mapping[str, Any], __: View) -> str:
    return "imported"


def _starred(_: Mapping[str, Any], view: View) -> str:
    return "starred" if view.full else ""


def _kept(message: Mapping[str, Any], _: View) -> str:
    return f"kept by {message['kept_by']}" if message["kept_by"] else "kept"


def _status(message: Mapping[str, Any], view: View) -> str:
    return message["status"] if view.full or message["status"] not in _SETTLED else ""


_NOTES: Final[dict[str, _Note]] = {
    "reply_to": _replies,
    "edited_at": _edited,
    "imported": _imported,
    "starred": _starred,
    "album_of": _in_album,
    "kept_by": _kept,
    "status": _status,
}
"""Functions that write the bracketed notes before a message's words, by key and in this order; an empty note
is left out."""
_NOTED: Final = frozenset((*_NOTES, "forwarded", "reactions", "reading"))
"""The keys that `notes_of` shows; most messages have none of them."""


def notes_of(message: MessageData, view: View) -> str:
    """Return the notes before a message's words: ` (re #12, edited) {👍2} 🎤 0:42`."""
    notes = [note for key, told in _NOTES.items() if key in message and (note := told(message, view))]
    text = f" ({', '.join(notes)})" if notes else ""
    if "forwarded" in message:
        text = f"{FORWARDED}{text}"
    if reactions := message.get("reactions"):
        text += f" {{{_reactions(reactions, view)}}}"
    if "reading" in message and is_heard(message):
        text += heard_mark(message)
    return text


def _reactions(reactions: Sequence[Mapping[str, Any]], view: View) -> str:
    if view.full:
        marks = [
            f"{each['emoji']} {spoken_of(each['sender_name'], each['from_me'], 'stranger' in each)}"
            for each in reactions[:REACTIONS_SHOWN]
        ]
        rest = [f"{len(reactions) - REACTIONS_SHOWN} more"] if len(reactions) > REACTIONS_SHOWN else []
        return ", ".join(marks + rest)
    counted = Counter(each["emoji"] for each in reactions).most_common(REACTIONS_SHOWN)
    return " ".join(emoji if count == 1 else f"{emoji}{count}" for emoji, count in counted)


def _was(message: MessageData, view: View) -> str:
    """Return the earlier texts of an edited message."""
    earlier = message.get("earlier", [])
    if "revoked_at" in message or not earlier:
        return ""
    parts = [f"was: {cut(text, min(view.limit, CONCISE_TEXT))}" for text in earlier[-EARLIER_SHOWN:]]
    if len(earlier) > EARLIER_SHOWN:
        parts.insert(0, f"{len(earlier) - EARLIER_SHOWN} more before")
    return f" ({', '.join(parts)})"


def sender_of(message: MessageData, where: WhereData) -> tuple[str, str]:
    """Return the name and the jid of the sender; the owner's jid is not shown."""
    if "from_me" in message:
        return "me", ""
    if "sender" in message:
        jid = message["sender"]
        return called(message.get("sender_name") or address(jid), "sender_stranger" in message), jid
    return chat_of(where), where.get("chat", "")


def chat_of(where: WhereData) -> str:
    """Return a chat's name for use inside the fence; a channel's counts as chosen by a stranger."""
    jid, name = where.get("chat", ""), where.get("chat_name")
    if not name or name == jid:
        return address(jid)
    if jid.endswith(f"@{GROUP_SERVER}"):
        return chosen_name(name)
    return called(name, "chat_stranger" in where or not is_person(jid))


def message_line(message: MessageData, page: MessagesData, view: View) -> str:
    """`#1042 14:03 Ann: see you at eight`; with the chat where the list mixes chats."""
    mixed = "chat" not in page
    where = message if mixed else page
    who, jid = sender_of(message, where)
    place = identity = was = ""
    if mixed and "unread_by_chat" not in page:
        name = chat_of(message)
        if not jid:
            place = f" to {name}"
        elif name != who:
            place = f" in {name}"
    if view.full:
        identity = f" [{message['message_id']}{f' from {jid}' if jid else ''}]"
        was = _was(message, view)
    mark = CONTEXT if "context" in message else ""
    notes = "" if _NOTED.isdisjoint(message) else notes_of(message, view)
    return (
        f"{mark}{message['ref']} {message['timestamp'][TIME]} {who}{place}{identity}"
        f"{notes}: {body_of(message, where, view)}{was}"
    )
