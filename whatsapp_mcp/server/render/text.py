"""Lists as models read them: one line a message or chat, what is common said once, what was cut said.

Made of the structured content, in which text is clean and times are the person's: both say the same.

What stands in a line before its first `: ` is ours: ref, time, who it is, and what others did to the message.
What stands behind it is the words of whoever is named there, and of nobody else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

from whatsapp_mcp.jid import GROUP_SERVER, is_person, number_of
from whatsapp_mcp.models import Actor, Chat, ChatKind, Contact, Message, Page, SendStatus
from whatsapp_mcp.server.fencing import (
    LIMIT,
    Text,
    called,
    chosen_name,
    clean,
    clean_name,
    identifier,
    in_quotes,
    length,
    one_line,
    spoken_of,
    titled,
)
from whatsapp_mcp.server.render import albums, compact
from whatsapp_mcp.server.render.data import (
    FORWARDED,
    ChatData,
    ChatsData,
    MessageData,
    MessagesData,
    ProfileData,
    WhereData,
    deleted_text,
    withheld_text,
)
from whatsapp_mcp.server.render.file_notes import HEARD, file_notes, heard_mark, heard_text, is_heard
from whatsapp_mcp.server.render.kinds import FILE_NAME, WHOLE_FILE_NAME, kind_text, what_of, without_title
from whatsapp_mcp.server.render.polls import voters_data
from whatsapp_mcp.server.render.times import DAY, TIME, day_of, short_stamp

Detail = Literal["concise", "full"]
CONCISE_TEXT: Final = 400
FULL_TEXT: Final = 4000
FULL_PAGE: Final = 38_000
"""Characters that the texts of a page may have in full, where 4,000 each are fewer."""
SHORTEST_TEXT: Final = 30
"""Characters that every message of a page keeps, however long the others are."""
CHAT_TEXT: Final = 40
QUESTION_TEXT: Final = 100
"""Characters of a last message that may want an answer."""
FULL_CHAT_TEXT: Final = 200
OPTION: Final = 80
OPTIONS_SHOWN: Final = 12
"""Options of a poll in a line of a list: as many as WhatsApp's apps allow."""
REACTIONS_SHOWN: Final = 12
EARLIER_SHOWN: Final = 5
CONTEXT: Final = "· "
"""Stands before a message that passes no filter and came before one that does."""
THAT_IS_ALL: Final = "That is all in the archive."
GROUPS_SHOWN: Final = 10
_ROOM: Final = LIMIT - 1000
_HEAD: Final = 24
"""Characters of a line before its text, and of what others did to the message, in a long list."""
_ADDRESSES: Final = 512
_SETTLED: Final = frozenset(map(str, (SendStatus.SENT, SendStatus.DELIVERED, SendStatus.READ)))


def quoted(text: str, limit: int) -> str:
    """Somebody's words on one line; what was cut is counted."""
    return _told(clean(text), limit)


def _told(text: str, limit: int, more: str = "") -> str:
    """As `quoted`, of clean text; `more` says how to see what was cut."""
    line = one_line(text)
    return line if len(line) <= limit else f"{line[:limit]}… (+{len(line) - limit} characters{more})"


@lru_cache(_ADDRESSES)
def address(jid: str) -> str:
    """A jid as short as it stays usable: the number of a person, else the jid."""
    return number_of(jid) or identifier(jid)


def chat_called(jid: str, name: str, stranger: bool) -> str:
    """What a chat is called in a sentence of ours; the names of groups and channels are quoted."""
    if not name or name == jid:
        return address(jid)
    return called(name, stranger) if is_person(jid) else titled(name)


def named(chat: Chat) -> str:
    """As `chat_called`."""
    return chat_called(chat.jid, chat.name, chat.stranger)


def place_of(message: Message) -> str:
    """What the chat of a message is called, as `chat_called`."""
    return chat_called(message.chat, message.chat_name, message.chat_stranger)


@dataclass(slots=True)
class _View:
    """How much of each message a list shows; `more` says how to see what was cut."""

    full: bool
    limit: int
    more: str


def _view(detail: Detail, limit: int) -> _View:
    if detail == "concise":
        return _View(False, limit, ": detail=full")
    return _View(True, limit, ": a smaller limit" if limit < FULL_PAGE else "")


def _body(message: MessageData, where: WhereData, view: _View) -> str:
    """What the message says, on one line."""
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
        return _told(message["text"], view.limit, view.more)
    of = message.get("snippet_of", "text") if snippet and not view.full else None
    if media and of == "file_name":
        media = {**media, "file_name": snippet}
    parts: list[str] = []
    if not plain:
        width = WHOLE_FILE_NAME if view.full or of == "file_name" else FILE_NAME
        notes = file_notes(message)
        parts.append(albums.shown(message) or kind_text(kind, media, details, width=width, notes=notes))
    text = snippet if snippet and of == "text" else without_title(message["text"], details)
    if text and kind == "poll":
        parts.append(in_quotes(text, view.limit))
    elif text:
        parts.append(_told(text, view.limit, view.more))
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
    """To what a reply answers; who wrote what the archive does not have, nobody but the replier says."""
    if quote["ref"] is not None:
        return f"re {quote['ref']}"
    if not quote["text"]:
        return "reply"
    return f"re {in_quotes(quote['text'], 40)}, author unknown"


_Note = Callable[[Mapping[str, Any], _View], str]


def _edited(message: Mapping[str, Any], view: _View) -> str:
    if "revoked_at" in message:
        return ""
    shown = view.full or not message.get("earlier")
    return "edited" if shown else "edited; detail=full shows the earlier text"


def _replies(message: Mapping[str, Any], _: _View) -> str:
    return _answers(message["reply_to"])


def _imported(_: Mapping[str, Any], __: _View) -> str:
    return "imported"


def _starred(_: Mapping[str, Any], view: _View) -> str:
    return "starred" if view.full else ""


def _kept(message: Mapping[str, Any], _: _View) -> str:
    return f"kept by {message['kept_by']}" if message["kept_by"] else "kept"


def _status(message: Mapping[str, Any], view: _View) -> str:
    return message["status"] if view.full or message["status"] not in _SETTLED else ""


_NOTES: Final[dict[str, _Note]] = {
    "reply_to": _replies,
    "edited_at": _edited,
    "imported": _imported,
    "starred": _starred,
    "album_of": albums.belongs,
    "kept_by": _kept,
    "status": _status,
}
"""What of a message stands in brackets before its words, in this order; an empty note is left out."""
_NOTED: Final = frozenset((*_NOTES, "forwarded", "reactions", "reading"))
"""The keys that `_notes` shows; most messages have none of them."""


def _notes(message: MessageData, view: _View) -> str:
    """What is to be known of a message before its words: ` (re #12, edited) {👍2} 🎤 0:42`."""
    notes = [note for key, told in _NOTES.items() if key in message and (note := told(message, view))]
    text = f" ({', '.join(notes)})" if notes else ""
    if "forwarded" in message:
        text = f"{FORWARDED}{text}"
    if reactions := message.get("reactions"):
        text += f" {{{_reactions(reactions, view)}}}"
    if "reading" in message and is_heard(message):
        text += heard_mark(message)
    return text


def _reactions(reactions: Sequence[Mapping[str, Any]], view: _View) -> str:
    if view.full:
        marks = [
            f"{each['emoji']} {spoken_of(each['sender_name'], each['from_me'], 'stranger' in each)}"
            for each in reactions[:REACTIONS_SHOWN]
        ]
        rest = [f"{len(reactions) - REACTIONS_SHOWN} more"] if len(reactions) > REACTIONS_SHOWN else []
        return ", ".join(marks + rest)
    counted = Counter(each["emoji"] for each in reactions).most_common(REACTIONS_SHOWN)
    return " ".join(emoji if count == 1 else f"{emoji}{count}" for emoji, count in counted)


def _was(message: MessageData, view: _View) -> str:
    """What an edited message said before."""
    earlier = message.get("earlier", [])
    if "revoked_at" in message or not earlier:
        return ""
    told = [f"was: {_told(text, min(view.limit, CONCISE_TEXT))}" for text in earlier[-EARLIER_SHOWN:]]
    if len(earlier) > EARLIER_SHOWN:
        told.insert(0, f"{len(earlier) - EARLIER_SHOWN} more before")
    return f" ({', '.join(told)})"


def _sender(message: MessageData, where: WhereData) -> tuple[str, str]:
    """What the sender is called, and their jid; the owner's jid is not shown."""
    if "from_me" in message:
        return "me", ""
    if "sender" in message:
        jid = message["sender"]
        return called(message.get("sender_name") or address(jid), "sender_stranger" in message), jid
    return _chat(where), where.get("chat", "")


def _chat(where: WhereData) -> str:
    """What a chat is called inside the fence; a channel, which writes itself, chose its name."""
    jid, name = where.get("chat", ""), where.get("chat_name")
    if not name or name == jid:
        return address(jid)
    if jid.endswith(f"@{GROUP_SERVER}"):
        return chosen_name(name)
    return called(name, "chat_stranger" in where or not is_person(jid))


def _message_line(message: MessageData, page: MessagesData, view: _View) -> str:
    """`#1042 14:03 Ann: see you at eight`; with the chat where the list mixes chats."""
    mixed = "chat" not in page
    where = message if mixed else page
    who, jid = _sender(message, where)
    place = identity = was = ""
    if mixed and "unread_by_chat" not in page:
        name = _chat(message)
        if not jid:
            place = f" to {name}"
        elif name != who:
            place = f" in {name}"
    if view.full:
        identity = f" [{message['message_id']}{f' from {jid}' if jid else ''}]"
        was = _was(message, view)
    mark = CONTEXT if "context" in message else ""
    notes = "" if _NOTED.isdisjoint(message) else _notes(message, view)
    return (
        f"{mark}{message['ref']} {message['timestamp'][TIME]} {who}{place}{identity}"
        f"{notes}: {_body(message, where, view)}{was}"
    )


def _message_lines(page: MessagesData, detail: Detail, *, short: bool) -> list[str]:
    """The lines of a list, each day said once; where they do not fit, all long texts are cut alike."""
    messages = page["messages"]
    limit = CONCISE_TEXT if detail == "concise" else max(FULL_TEXT, FULL_PAGE // max(1, len(messages)))
    lines = _lines(page, _view(detail, limit), short=short)
    while length(lines) > _ROOM and limit > SHORTEST_TEXT:
        limit //= 2
        lines = _lines(page, _view(detail, limit), short=short)
    return lines


def fitting_texts(texts: Iterable[str]) -> int:
    """How many of these messages a concise list has room for without cutting their texts further."""
    room, count = _ROOM, 0
    for text in texts:
        room -= min(len(text), CONCISE_TEXT) + _HEAD
        if room < 0:
            break
        count += 1
    return count


def _lines(page: MessagesData, view: _View, *, short: bool) -> list[str]:
    heads = compact.Heads() if short else None
    lines: list[str] = []
    last_day = last_chat = None
    counts = page.get("unread_by_chat", {})
    for message in albums.unfolded(page["messages"]):
        if counts and (chat := message.get("chat", "")) != last_chat:
            lines.append(f"{_chat(message)}, {counts[chat]} unread")
            last_chat, last_day = chat, None
        if (today := message["timestamp"][DAY]) != last_day:
            lines.append(day_of(today))
            last_day = today
        line = _message_line(message, page, view)
        lines.append(heads.shortened(line, message, _sender(message, page)) if heads else line)
    return lines


def messages_text(
    page: MessagesData, *, header: str, detail: Detail = "concise", to_the_end: bool = False
) -> Text:
    """A page of messages: header, fenced lines, gaps, cursor.

    Args:
        page: The same as structured content.
        header: What they are.
        detail: Whether to show everything.
        to_the_end: A list without a cursor has no more.
    """
    notes = page.get("notes", ())
    if not page["messages"]:
        return Text(f"{header}: none.", notes=notes)
    following = more(page["next_cursor"])
    if following and "left" in page:
        following = [f"{page['left']}{'+' if 'left_at_least' in page else ''} older. {following[0]}"]
    elif not following and to_the_end:
        following = [THAT_IS_ALL]
    short = detail == "concise" and compact.suits(page)
    head = f"{header}{compact.EXPLAINED if short else ''}:"
    return Text(head, _message_lines(page, detail, short=short), [*notes, *following])


def more(cursor: str | None) -> list[str]:
    """How to go on, when there is more."""
    return [f"More: cursor={cursor}"] if cursor else []


def _chat_line(chat: ChatData, today: str, detail: Detail, width: int, *, unique: bool) -> str:
    """`Ann Lee +15550001111, 2 unread, 14:03: see you at eight`; jids only where the name is not enough.

    Who wrote it stands before the colon, where it is not who the chat is with.
    """
    name, kind = chat["name"], chat["kind"]
    label = called(name, "stranger" in chat) if kind == ChatKind.DIRECT else chosen_name(name)
    if name == chat["jid"]:
        label = name
    if detail == "full" or not unique:
        label += f" ({chat['jid']})"
    elif kind == ChatKind.DIRECT:
        number = number_of(chat["jid"])
        label += f" {number}" if number and number != name else ""
    else:
        label += f" ({kind})"
    notes = [label]
    if chat["unread"]:
        notes.append(f"{chat['unread']} unread")
    if "pinned" in chat and detail == "full":
        notes.append("pinned")
    if "archived" in chat:
        notes.append("archived")
    if "muted_until" in chat and detail == "full":
        notes.append("muted")
    if chat["last_message_at"]:
        notes.append(short_stamp(chat["last_message_at"], today))
    return ", ".join(notes) + _last_words(chat, width)


def _last_words(chat: ChatData, width: int) -> str:
    """Who wrote last, and what; of a call or a notice also what was said before it."""
    who = ""
    if "last_from_me" in chat:
        who = " me"
    elif sender := chat.get("last_sender"):
        who = f" {called(sender, 'last_sender_stranger' in chat)}"
    if "last_forwarded" in chat:
        who += FORWARDED
    opens = chat.get("last_withheld")
    last = withheld_text(opens) if opens else one_line(chat.get("last_message", ""), width)
    if "last_heard" in chat:
        who, last = f"{who} {HEARD}", in_quotes(chat.get("last_message", ""), width)
    if words := chat.get("last_words"):
        return f"{who} {in_quotes(last, width)}, before that {one_line(words, width)}"
    return f"{who}: {last}" if last else who


def chats_text(page: ChatsData, today: str, detail: Detail = "concise", width: int = CHAT_TEXT) -> Text:
    """A page of chats, newest first.

    Args:
        page: The same as structured content.
        today: Now in RFC 3339, in the person's zone as the chats' times.
        detail: Whether to show everything.
        width: Characters of a last message, where not everything is shown.
    """
    chats = page["chats"]
    if not chats:
        return Text("Chats: none.")
    names = Counter(clean_name(chat["name"]).casefold() for chat in chats)
    width = FULL_CHAT_TEXT if detail == "full" else width
    lines = [
        _chat_line(chat, today, detail, width, unique=names[clean_name(chat["name"]).casefold()] == 1)
        for chat in chats
    ]
    return Text("Chats, newest first:", lines, more(page["next_cursor"]))


def person_line(contact: Contact) -> str:
    """`Ann Lee +15550001111`; the jid where no number is known."""
    where = contact.number or identifier(contact.jid)
    return where if contact.name == where else f"{called(contact.name, contact.stranger)} {where}"


def contact_line(contact: Contact) -> str:
    """As `person_line`, with what they call themselves where the owner calls them otherwise."""
    line = person_line(contact)
    own = contact.push_name
    known = own in {None, "", contact.name} or chosen_name(own or "") == chosen_name(contact.name)
    return line if known else f"{line} (own name {called(own or '', True)})"


def contacts_text(page: Page[Contact]) -> Text:
    """A page of people."""
    if not page.items:
        return Text("Contacts: none.")
    return Text("Contacts:", [contact_line(each) for each in page.items], more(page.next_cursor))


def poll_text(message: Message, missing: Sequence[Actor]) -> Text:
    """`“Pizza” 2: Ann, Bob`, one line an option; then who of a group has not voted."""
    who = spoken_of(message.sender_name, message.from_me, message.sender_stranger)
    lines = [f"{who} asks {in_quotes(message.spoken, CONCISE_TEXT)}"]
    for option in message.poll:
        voters = ", ".join(voters_data(option.voters))
        lines.append(f"{in_quotes(option.name, 100)} {len(option.voters)}{f': {voters}' if voters else ''}")
    if missing:
        lines.append(f"(no vote yet: {', '.join(voters_data(missing))})")
    return Text(f"Votes of #{message.ref}:", lines)


def profile_text(data: ProfileData, today: str, *, owner: bool = False) -> Text:
    """One person, a line a fact; everything but the headings is theirs.

    Args:
        data: The same as structured content.
        today: As for `chats_text`.
        owner: Whether it is the account's own.
    """
    own = data.get("push_name")
    rows = [
        ("number", data["number"]),
        ("jid", data["jid"]),
        ("own name", own if own != data["name"] else None),
        ("business", data.get("business")),
        ("about", data.get("about")),
        ("picture", data.get("picture")),
    ]
    known = owner or "stranger" not in data
    lines = [called(data["name"], not known)]
    lines += [] if known else ["not in the user's contacts"]
    lines += [f"{label}: {quoted(value, CONCISE_TEXT)}" for label, value in rows if value]
    groups = data.get("groups", [])
    if groups:
        shown = ", ".join(chosen_name(group["name"]) for group in groups[:GROUPS_SHOWN])
        rest = f" and {len(groups) - GROUPS_SHOWN} more" if len(groups) > GROUPS_SHOWN else ""
        lines.append(f"groups in common: {shown}{rest}")
    last = data.get("last_message")
    if last:
        who, _ = _sender(last, last)
        at = short_stamp(last["timestamp"], today)
        view = _View(False, CHAT_TEXT, "")
        lines.append(f"last: {last['ref']} {at} {who}{_notes(last, view)}: {_body(last, last, view)}")
    return Text("Contact:", lines, [data["note"]] if "note" in data else [])
