"""Lists as models read them: one line a message or chat, what is common said once, what was cut said.

Made of the structured content, in which text is clean and times are the person's: both say the same.

Messages stand between `<messages>` and `</messages>`. Inside, every line begins with our own ref or date, so
a text, which never holds a line break here, cannot begin one; and it cannot close the fence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal

from whatsapp_mcp.jid import Jid
from whatsapp_mcp.models import Contact, Message, Page, SendStatus, Voter
from whatsapp_mcp.server.render.data import (
    ChatData,
    ChatsData,
    MessageData,
    MessagesData,
    ProfileData,
    WhereData,
    deleted_text,
)
from whatsapp_mcp.server.render.kinds import kind_text
from whatsapp_mcp.server.render.polls import voters_data
from whatsapp_mcp.server.render.sanitise import (
    called,
    clean,
    clean_line,
    clean_name,
    defuse,
    one_line,
    spoken_of,
)
from whatsapp_mcp.server.render.times import DAY, day_of, short_stamp, time_of_day

Detail = Literal["concise", "full"]
FENCE: Final = ("<messages>", "</messages>")
CONCISE_TEXT: Final = 400
FULL_TEXT: Final = 4000
FULL_PAGE: Final = 40_000
"""Characters that the texts of a page may have in full, where 4,000 each are fewer."""
CHAT_TEXT: Final = 40
QUESTION_TEXT: Final = 100
"""Characters of a last message that may want an answer."""
FULL_CHAT_TEXT: Final = 200
GROUPS_SHOWN: Final = 10
_JIDS: Final = 512
_SETTLED: Final = frozenset(map(str, (SendStatus.SENT, SendStatus.DELIVERED, SendStatus.READ)))


def quoted(text: str, limit: int) -> str:
    """Somebody's words on one line; what was cut is counted."""
    return _told(clean(text), limit)


def _told(text: str, limit: int, more: str = "") -> str:
    """As `quoted`, of clean text; `more` says how to see what was cut."""
    line = one_line(text)
    return line if len(line) <= limit else f"{line[:limit]}… (+{len(line) - limit} characters{more})"


def address(jid: str) -> str:
    """A jid as short as it stays usable: the number of a person, else the jid."""
    return Jid.parse(jid).bare.number or jid


@lru_cache(_JIDS)
def _number(jid: str) -> str | None:
    return Jid.parse(jid).number


def _body(message: MessageData, where: WhereData, detail: Detail, limit: int) -> str:
    """What the message says, on one line."""
    if "revoked_at" in message:
        return deleted_text(direct=Jid.parse(where.get("chat", "")).is_person)
    more = ": detail=full" if detail == "concise" else ""
    kind, snippet = message["kind"], message.get("snippet")
    if kind == "text" and snippet is None:
        return _told(message["text"], limit, more)
    parts: list[str] = []
    if kind != "text":
        parts.append(kind_text(kind, message.get("media"), message.get("details")))
    text = snippet if snippet and detail == "concise" else message["text"]
    if text:
        parts.append(_told(text, limit, more))
    if poll := message.get("poll"):
        parts.append("; ".join(f"{one_line(option['name'], 80)} {len(option['voters'])}" for option in poll))
    if left_out := message.get("details", {}).get("left_out"):
        parts.append(f"(left out: {', '.join(f'{count} {what}' for what, count in left_out.items())})")
    return " ".join(parts)


def _before(quote: Mapping[str, Any] | None) -> str:
    if not quote:
        return ""
    if quote["ref"] is not None:
        return f"(re {quote['ref']}) "
    said = _told(quote["text"], 40)
    return f"(re “{said}”) " if said else "(reply) "


def _after(message: MessageData, detail: Detail) -> str:
    notes: list[str] = []
    if "edited_at" in message and "revoked_at" not in message:
        notes.append("edited" + (_was(message) if detail == "full" else ""))
    if "forwarded" in message:
        notes.append("forwarded")
    if "imported" in message:
        notes.append("imported")
    if "starred" in message and detail == "full":
        notes.append("starred")
    status = message.get("status")
    if status and (detail == "full" or status not in _SETTLED):
        notes.append(status)
    text = f" ({', '.join(notes)})" if notes else ""
    if reactions := message.get("reactions"):
        if detail == "full":
            who = (
                f"{each['emoji']} {spoken_of(each['sender_name'], each['from_me'], 'stranger' in each)}"
                for each in reactions
            )
            text += f" {{{', '.join(who)}}}"
        else:
            counted = Counter(each["emoji"] for each in reactions)
            marks = (emoji if count == 1 else f"{emoji}{count}" for emoji, count in counted.items())
            text += f" {{{' '.join(marks)}}}"
    return text


def _was(message: MessageData) -> str:
    """What an edited message said before."""
    return "".join(f", was: {_told(text, CONCISE_TEXT)}" for text in message.get("earlier", ()))


def _sender(message: MessageData, where: WhereData) -> tuple[str, str]:
    """What the sender is called, and their jid; the owner's jid is not told."""
    if "from_me" in message:
        return "me", ""
    if "sender" in message:
        jid = message["sender"]
        return called(message.get("sender_name") or address(jid), "sender_stranger" in message), jid
    return _chat(where), where.get("chat", "")


def _chat(where: WhereData) -> str:
    return called(where.get("chat_name") or address(where.get("chat", "")), "chat_stranger" in where)


def _message_line(message: MessageData, page: MessagesData, detail: Detail, limit: int) -> str:
    """`#1042 14:03 Ann: see you at eight`; with the chat where the list mixes chats."""
    mixed = "chat" not in page
    where = message if mixed else page
    who, jid = _sender(message, where)
    place = identity = ""
    if mixed:
        name = _chat(message)
        if not jid:
            place = f" to {name}"
        elif name != who:
            place = f" in {name}"
    if detail == "full":
        identity = f" [{message['message_id']}{f' from {jid}' if jid else ''}]"
    return (
        f"{message['ref']} {time_of_day(message['timestamp'])} {who}{place}{identity}: "
        f"{_before(message.get('reply_to'))}{_body(message, where, detail, limit)}{_after(message, detail)}"
    )


def fenced(lines: Iterable[str]) -> str:
    """Lines between the fence, which none of them can close."""
    return "\n".join([FENCE[0], *map(defuse, lines), FENCE[1]])


def _message_lines(page: MessagesData, detail: Detail) -> list[str]:
    """The lines of a list, each day said once."""
    lines: list[str] = []
    messages = page["messages"]
    limit = CONCISE_TEXT if detail == "concise" else max(FULL_TEXT, FULL_PAGE // max(1, len(messages)))
    last_day = None
    for message in messages:
        if (today := message["timestamp"][DAY]) != last_day:
            lines.append(day_of(today))
            last_day = today
        lines.append(_message_line(message, page, detail, limit))
    return lines


def messages_text(page: MessagesData, *, header: str, detail: Detail = "concise") -> str:
    """A page of messages: header, fenced lines, gaps, cursor."""
    notes = page.get("notes", ())
    if not page["messages"]:
        return "\n".join([f"{header}: none.", *notes])
    return "\n".join([f"{header}:", fenced(_message_lines(page, detail)), *notes, *more(page["next_cursor"])])


def more(cursor: str | None) -> list[str]:
    """How to go on, when there is more."""
    return [f"More: cursor={cursor}"] if cursor else []


def _chat_line(chat: ChatData, today: str, detail: Detail, width: int, *, unique: bool) -> str:
    """`Ann Lee +15550001111, 2 unread, 14:03: see you at eight`; jids only where the name is not enough.

    Who wrote it stands before the colon, where it is not who the chat is with.
    """
    name, kind = chat["name"], chat["kind"]
    label = called(name, "stranger" in chat)
    if detail == "full" or not unique:
        label += f" ({chat['jid']})"
    elif kind == "direct":
        number = _number(chat["jid"])
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
    line = ", ".join(notes)
    if "last_from_me" in chat:
        line += " me"
    elif sender := chat.get("last_sender"):
        line += f" {called(sender, 'last_sender_stranger' in chat)}"
    if last := chat.get("last_message"):
        line += f": {one_line(last, width)}"
    if words := chat.get("last_words"):
        line += f"; before: {one_line(words, width)}"
    return line


def chats_text(page: ChatsData, today: str, detail: Detail = "concise", width: int = CHAT_TEXT) -> str:
    """A page of chats, newest first.

    Args:
        page: The same as structured content.
        today: Now in RFC 3339, in the person's zone as the chats' times.
        detail: Whether to tell everything.
        width: Characters of a last message, where not everything is told.
    """
    chats = page["chats"]
    if not chats:
        return "Chats: none."
    names = Counter(clean_name(chat["name"]).casefold() for chat in chats)
    width = FULL_CHAT_TEXT if detail == "full" else width
    lines = [
        _chat_line(chat, today, detail, width, unique=names[clean_name(chat["name"]).casefold()] == 1)
        for chat in chats
    ]
    return "\n".join(["Chats, newest first:", fenced(lines), *more(page["next_cursor"])])


def contact_line(contact: Contact) -> str:
    """`Ann Lee +15550001111 (calls herself Annie)`; the jid where no number is known."""
    name = called(contact.name, contact.stranger)
    where = contact.number or contact.jid
    line = name if name == where else f"{name} {where}"
    own = contact.push_name and clean_name(contact.push_name)
    return f"{line} (own name {own})" if own and own != name.removeprefix("~") else line


def contacts_text(page: Page[Contact]) -> str:
    """A page of people."""
    if not page.items:
        return "Contacts: none."
    return "\n".join(["Contacts:", fenced(map(contact_line, page.items)), *more(page.next_cursor)])


def poll_text(message: Message, missing: Sequence[Voter]) -> str:
    """`Pizza 2: Ann, Bob`, one line an option; then who of a group has not voted."""
    lines = [quoted(message.text, CONCISE_TEXT)]
    for option in message.poll:
        voters = ", ".join(voters_data(option.voters))
        lines.append(f"{clean_line(option.name, 100)} {len(option.voters)}{f': {voters}' if voters else ''}")
    if missing:
        lines.append(f"(no vote yet: {', '.join(voters_data(missing))})")
    return fenced(lines)


def profile_text(data: ProfileData, today: str, *, owner: bool = False) -> str:
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
    ]
    rows += [
        ("business", data.get("business")),
        ("about", data.get("about")),
        ("picture", data.get("picture")),
    ]
    known = owner or "saved_name" in data
    lines = [called(data["name"], not known and ("push_name" in data or "business_name" in data))]
    lines += [] if known else ["not in the user's contacts"]
    lines += [f"{label}: {quoted(value, CONCISE_TEXT)}" for label, value in rows if value]
    groups = data.get("groups", [])
    if groups:
        shown = ", ".join(clean_name(group["name"]) for group in groups[:GROUPS_SHOWN])
        rest = f" and {len(groups) - GROUPS_SHOWN} more" if len(groups) > GROUPS_SHOWN else ""
        lines.append(f"groups in common: {shown}{rest}")
    last = data.get("last_message")
    if last:
        who, _ = _sender(last, last)
        at = short_stamp(last["timestamp"], today)
        lines.append(f"last: {last['ref']} {at} {who}: {_body(last, last, 'full', CHAT_TEXT)}")
    return "\n".join([fenced(lines), *([data["note"]] if "note" in data else [])])
