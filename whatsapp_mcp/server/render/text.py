"""Lists as models read them: one line a message or chat, what is common said once, what was cut said.

Messages stand between `<messages>` and `</messages>`. Inside, every line begins with our own ref or date, so
a text, which never holds a line break here, cannot begin one; and it cannot close the fence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Final, Literal

from whatsapp_mcp.jid import Jid
from whatsapp_mcp.models import Chat, ChatKind, Contact, Media, Message, MessageKind, Page, SendStatus
from whatsapp_mcp.server.render.data import ProfileData
from whatsapp_mcp.server.render.sanitise import clean_line, clean_name
from whatsapp_mcp.server.render.times import local, short_local

Detail = Literal["concise", "full"]
FENCE: Final = ("<messages>", "</messages>")
CONCISE_TEXT: Final = 400
FULL_TEXT: Final = 4000
FULL_PAGE: Final = 40_000
"""Characters that the texts of a page may have in full, where 4,000 each are fewer."""
CHAT_TEXT: Final = 40
GROUPS_SHOWN: Final = 10
_JIDS: Final = 512
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_SETTLED: Final = frozenset({SendStatus.SENT, SendStatus.DELIVERED, SendStatus.READ})


def defuse(line: str) -> str:
    """A cleaned line that cannot close the fence around it."""
    if "messages" not in line:
        return line
    return line.replace("<messages", "‹messages").replace("</messages", "‹/messages")


def quoted(text: str, limit: int, more: str = "") -> str:
    """Somebody's words on one line; what was cut is counted, with `more` on how to see it."""
    line = defuse(clean_line(text))
    return line if len(line) <= limit else f"{line[:limit]}… (+{len(line) - limit} characters{more})"


def address(jid: str) -> str:
    """A jid as short as it stays usable: the number of a person, else the jid."""
    return Jid.parse(jid).bare.number or jid


@lru_cache(_JIDS)
def _number(jid: str) -> str | None:
    return Jid.parse(jid).number


def size_text(size: int) -> str:
    """`340 kB`, `1.2 MB`."""
    return f"{size / 1e6:.1f} MB" if size >= 1_000_000 else f"{max(1, round(size / 1e3))} kB"


def media_text(kind: MessageKind, media: Media | None) -> str:
    """`[image 340 kB]`, `[voice 0:12]`, `[document "plan.pdf" 1.2 MB]`."""
    words = [kind.value]
    if media:
        if media.view_once:
            words.append("view-once")
        if media.file_name:
            words.append(f'"{defuse(clean_line(media.file_name, 60))}"')
        if media.duration:
            words.append(f"{media.duration // 60}:{media.duration % 60:02}")
        elif media.size:
            words.append(size_text(media.size))
    return f"[{' '.join(words)}]"


def _body(message: Message, detail: Detail, limit: int) -> str:
    """What the message says, on one line."""
    if message.revoked_at:
        return "[deleted]"
    more = ": detail=full" if detail == "concise" else ""
    if message.kind is MessageKind.TEXT and message.snippet is None:
        return quoted(message.text, limit, more)
    parts: list[str] = []
    if message.kind is not MessageKind.TEXT:
        parts.append(media_text(message.kind, message.media))
    text = message.snippet if message.snippet and detail == "concise" else message.text
    if text:
        parts.append(quoted(text, limit, more))
    if message.poll:
        parts.append(
            "; ".join(
                f"{defuse(clean_line(option.name, 80))} {len(option.voters)}" for option in message.poll
            )
        )
    return " ".join(parts)


def _before(message: Message) -> str:
    if not message.quote:
        return ""
    if message.quote.ref is not None:
        return f"(re #{message.quote.ref}) "
    said = quoted(message.quote.text or "", 40)
    return f"(re “{said}”) " if said else "(reply) "


def _after(message: Message, detail: Detail) -> str:
    notes: list[str] = []
    if message.edited_at and not message.revoked_at:
        notes.append("edited")
    if message.forwarded:
        notes.append("forwarded")
    if message.starred and detail == "full":
        notes.append("starred")
    if message.status and (detail == "full" or message.status not in _SETTLED):
        notes.append(message.status.value)
    text = f" ({', '.join(notes)})" if notes else ""
    if message.reactions:
        counted = Counter(clean_line(reaction.emoji, 20) for reaction in message.reactions)
        if detail == "full":
            who = (f"{clean_line(r.emoji, 20)} {clean_name(r.sender_name)}" for r in message.reactions)
            text += f" {{{', '.join(who)}}}"
        else:
            marks = (emoji if count == 1 else f"{emoji}{count}" for emoji, count in counted.items())
            text += f" {{{' '.join(marks)}}}"
    return text


def _message_line(message: Message, at: datetime, detail: Detail, limit: int, *, with_chat: bool) -> str:
    """`#1042 14:03 Ann: see you at eight`; with the chat where the list mixes chats."""
    who = "me" if message.from_me else clean_name(message.sender_name or address(message.sender))
    where = ""
    if with_chat:
        name = clean_name(message.chat_name or address(message.chat))
        if message.from_me:
            where = f" to {name}"
        elif name != who:
            where = f" in {name}"
    identity = f" [{message.message_id} from {message.sender}]" if detail == "full" else ""
    return (
        f"#{message.ref} {at.hour:02}:{at.minute:02} {defuse(who + where)}{identity}: "
        f"{_before(message)}{_body(message, detail, limit)}{_after(message, detail)}"
    )


def fenced(lines: Iterable[str]) -> str:
    """Lines between the fence, which none of them can close."""
    return "\n".join([FENCE[0], *map(defuse, lines), FENCE[1]])


def message_lines(messages: Sequence[Message], zone: tzinfo, detail: Detail, *, with_chat: bool) -> list[str]:
    """The lines of a list, each day said once."""
    lines: list[str] = []
    limit = CONCISE_TEXT if detail == "concise" else max(FULL_TEXT, FULL_PAGE // max(1, len(messages)))
    last_day = None
    for message in messages:
        at = local(message.timestamp, zone)
        if (today := at.date()) != last_day:
            lines.append(f"{_WEEKDAYS[today.weekday()]} {today.isoformat()}")
            last_day = today
        lines.append(_message_line(message, at, detail, limit, with_chat=with_chat))
    return lines


def messages_text(
    page: Page[Message],
    zone: tzinfo,
    *,
    header: str,
    detail: Detail = "concise",
    with_chat: bool = False,
) -> str:
    """A page of messages: header, fenced lines, gaps, cursor."""
    if not page.items:
        return "\n".join([f"{header}: none.", *page.notes])
    lines = message_lines(page.items, zone, detail, with_chat=with_chat)
    return "\n".join([f"{header}:", fenced(lines), *page.notes, *more(page.next_cursor)])


def more(cursor: str | None) -> list[str]:
    """How to go on, when there is more."""
    return [f"More: cursor={cursor}"] if cursor else []


def _chat_line(chat: Chat, zone: tzinfo, today: datetime, detail: Detail, *, unique: bool) -> str:
    """`Ann Lee +15550001111, 2 unread, 14:03: see you at eight`; jids only where the name is not enough."""
    label = clean_name(chat.name)
    if detail == "full" or not unique:
        label += f" ({chat.jid})"
    elif chat.kind is ChatKind.DIRECT:
        number = _number(chat.jid)
        label += f" {number}" if number and number != chat.name else ""
    else:
        label += f" ({chat.kind.value})"
    notes = [label]
    if chat.unread:
        notes.append(f"{chat.unread} unread")
    if chat.pinned and detail == "full":
        notes.append("pinned")
    if chat.archived:
        notes.append("archived")
    if chat.muted_until and detail == "full":
        notes.append("muted")
    if chat.last_message_at:
        notes.append(short_local(local(chat.last_message_at, zone), today))
    line = defuse(", ".join(notes))
    if chat.last_message:
        line += f": {defuse(clean_line(chat.last_message, 200 if detail == 'full' else CHAT_TEXT))}"
    return line


def chats_text(page: Page[Chat], zone: tzinfo, now: datetime, detail: Detail = "concise") -> str:
    """A page of chats, newest first."""
    if not page.items:
        return "\n".join(["Chats: none.", *page.notes])
    names = Counter(clean_name(chat.name).casefold() for chat in page.items)
    today = local(now, zone)
    lines = [
        _chat_line(chat, zone, today, detail, unique=names[clean_name(chat.name).casefold()] == 1)
        for chat in page.items
    ]
    return "\n".join(["Chats, newest first:", fenced(lines), *page.notes, *more(page.next_cursor)])


def contact_line(contact: Contact) -> str:
    """`Ann Lee +15550001111 (calls herself Annie)`; the jid where no number is known."""
    name = clean_name(contact.name)
    where = contact.number or contact.jid
    line = name if name == where else f"{name} {where}"
    own = contact.push_name and clean_name(contact.push_name)
    return defuse(f"{line} (own name {own})" if own and own != name else line)


def contacts_text(page: Page[Contact]) -> str:
    """A page of people."""
    if not page.items:
        return "Contacts: none."
    return "\n".join(["Contacts:", fenced(map(contact_line, page.items)), *more(page.next_cursor)])


def poll_text(message: Message) -> str:
    """`Pizza 2: Ann, Bob`, one line an option."""
    lines = [quoted(message.text, CONCISE_TEXT)]
    for option in message.poll:
        voters = ", ".join(clean_name(voter) for voter in option.voters)
        lines.append(
            f"{defuse(clean_line(option.name, 100))} {len(option.voters)}{f': {voters}' if voters else ''}"
        )
    return fenced(lines)


def profile_text(data: ProfileData) -> str:
    """One person, a line a fact; everything but the headings is theirs."""
    rows = [("number", data["number"]), ("jid", data["jid"]), ("own name", data.get("push_name"))]
    rows += [
        ("business", data.get("business")),
        ("about", data.get("about")),
        ("picture", data.get("picture")),
    ]
    lines = [clean_name(data["name"])]
    lines += [f"{label}: {quoted(value, CONCISE_TEXT)}" for label, value in rows if value]
    groups = data.get("groups", [])
    if groups:
        shown = ", ".join(clean_name(group["name"]) for group in groups[:GROUPS_SHOWN])
        rest = f" and {len(groups) - GROUPS_SHOWN} more" if len(groups) > GROUPS_SHOWN else ""
        lines.append(f"groups in common: {shown}{rest}")
    last = data.get("last_message")
    if last:
        who = "me" if last["from_me"] else clean_name(last["sender_name"])
        lines.append(f"last: {last['ref']} {last['timestamp']} {who}: {quoted(last['text'], CHAT_TEXT)}")
    return "\n".join([fenced(lines), *([data["note"]] if "note" in data else [])])
