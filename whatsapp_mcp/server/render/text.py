"""Lists as models read them: one line a message or chat, what is common said once, what was cut said.

Made of the structured content, in which text is clean and times are the person's: both say the same. The
heading names the filters that were given. On long pages of one chat a line leaves out the sender that it
shares with the line above.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.jid import number_of
from whatsapp_mcp.models import Actor, ChatKind, Contact, Message, Page
from whatsapp_mcp.policy import one_line
from whatsapp_mcp.server.fencing import (
    LIMIT,
    Text,
    called,
    chosen_name,
    clean_name,
    identifier,
    in_quotes,
    length,
    spoken_of,
)
from whatsapp_mcp.server.render.data import (
    FORWARDED,
    ChatData,
    ChatsData,
    MessagesData,
    withheld_text,
)
from whatsapp_mcp.server.render.kinds import voters_data
from whatsapp_mcp.server.render.message_line import (
    CONCISE_TEXT,
    FULL_PAGE,
    Detail,
    View,
    body_of,
    chat_of,
    message_line,
    notes_of,
    quoted,
    sender_of,
    unfolded,
    view_of,
)
from whatsapp_mcp.server.render.people_data import ProfileData
from whatsapp_mcp.server.render.readings import HEARD
from whatsapp_mcp.server.render.times import DAY, TIME, day_of, short_stamp, stamp, time_of_day
from whatsapp_mcp.text.zone import local

if TYPE_CHECKING:
    from whatsapp_mcp.models import MessageFilter
    from whatsapp_mcp.server.render.data import MessageData

LONG: Final = 40
"""Messages of a page; on shorter ones the explanation costs more than it saves."""
EXPLAINED: Final = ". A line without a sender is of the sender above"
"""Goes on with the heading of a list."""
_LIKE_A_HEAD: Final = re.compile(r"[:꞉∶ː˸։׃︓﹕：]\s|[#﹟＃]\s?\d")
"""Pattern of text that could pass for the start of another line: the end of a head, or a ref."""
_OPENS_NOTES: Final = ("(", "{", HEARD)
"""What begins the notes of a line; a name that begins so stands in quotes where it could pass for them."""
FULL_TEXT: Final = 4000
"""Characters of a text in a full list, at least."""
SHORTEST_TEXT: Final = 30
"""Characters that every message of a page keeps, however long the others are."""
CHAT_TEXT: Final = 40
"""Characters of a last message in a list of chats."""
QUESTION_TEXT: Final = 100
"""Characters of a last message that may want an answer."""
FULL_CHAT_TEXT: Final = 200
THAT_IS_ALL: Final = "That is all in the archive."
GROUPS_SHOWN: Final = 10
CHATS_WITH_HITS: Final = 5
"""Chats that are named of those in which withheld words were found."""
_ROOM: Final = LIMIT - 1000
_HEAD: Final = 30
"""Characters of a line before its text, and of what others did to the message, in a long list."""


def narrowed(where: MessageFilter, zone: tzinfo, *, sender: str | None = None) -> str:
    """` (image or video, from Bob, unread, since Tue 2026-11-24)`; nothing where no filter was given.

    Args:
        where: The filters; the chat stands elsewhere.
        zone: The person's time zone.
        sender: What the sender is called.
    """
    words = [" or ".join(where.kinds)] if where.kinds else []
    words += [f"from {sender}"] if sender else []
    for given, true, false in (
        (where.from_me, "from me", "from others"),
        (where.unread, "unread", "read"),
        (where.mentions_me, "mentioning me", "not mentioning me"),
    ):
        words += [] if given is None else [true if given else false]
    words += [f"since {_moment(where.since, zone)}"] if where.since else []
    words += [_until(where.until, zone)] if where.until else []
    return f" ({', '.join(words)})" if words else ""


def _moment(when: datetime, zone: tzinfo) -> str:
    """`Tue 2026-11-24 14:03`; without the time where the day begins."""
    stamped = stamp(when, zone)
    return day_of(stamped) if _begins_a_day(when, zone) else f"{day_of(stamped)} {time_of_day(stamped)}"


def _until(end: datetime, zone: tzinfo) -> str:
    """Return the end of a range, which says whether the last day is included."""
    if _begins_a_day(end, zone):
        return f"until {day_of(stamp(end - timedelta(seconds=1), zone))} inclusive"
    return f"before {_moment(end, zone)}"


def _begins_a_day(when: datetime, zone: tzinfo) -> bool:
    return f"{local(when, zone):%H%M%S}" == "000000"


def _is_long_conversation(page: MessagesData) -> bool:
    """Return whether a page is long and its messages follow one another in one chat."""
    messages = page["messages"]
    return "chat" in page and len(messages) > LONG and not any("context" in message for message in messages)


class _Heads:
    """Shortens the lines of one list, from the first to the last.

        #1042 14:03 Ann: see you at eight
        #1043 14:03: I bring the cake
        #1044 14:03 Bob: great
        #1046 14:05 (re #1043): and the chairs?

    Ref and time stay on every line, so that each can be cited alone. It stays one line a message, because a
    line break is the one thing that nobody can write into a list.
    """

    def __init__(self) -> None:
        self._day = ""
        self._sender: tuple[str, str] | None = None

    def shortened(self, line: str, message: MessageData, sender: tuple[str, str]) -> str:
        """The line as it stands below the one that was shortened before it.

        Words that look like a head themselves keep a whole one before them, so that they always stand behind
        the name of who wrote them.

        Args:
            line: `#1042 14:03 Ann (re #1040): yes`.
            message: What it is of.
            sender: The name in it, and the jid.
        """
        (name, _), day = sender, message["timestamp"][DAY]
        head = f"{message['ref']} {message['timestamp'][TIME]}"
        rest = line[len(head) + 1 + len(name) :]
        shared = (day, sender) == (self._day, self._sender)
        self._day, self._sender = day, sender
        if shared and not _LIKE_A_HEAD.search(rest.partition(": ")[2]):
            return f"{head}{rest}"
        return f"{head} “{name}”{rest}" if name.startswith(_OPENS_NOTES) else line


def _message_lines(page: MessagesData, detail: Detail, *, short: bool) -> list[str]:
    """The lines of a list, each day said once; where they do not fit, all long texts are cut alike."""
    messages = page["messages"]
    limit = CONCISE_TEXT if detail == "concise" else max(FULL_TEXT, FULL_PAGE // max(1, len(messages)))
    lines = _lines(page, view_of(detail, limit), short=short)
    while length(lines) > _ROOM and limit > SHORTEST_TEXT:
        limit //= 2
        lines = _lines(page, view_of(detail, limit), short=short)
    return lines


def fitting_texts(texts: Iterable[str]) -> int:
    """Return how many of the messages fit a concise list without cutting their texts further."""
    room, count = _ROOM, 0
    for text in texts:
        room -= min(len(text), CONCISE_TEXT) + _HEAD
        if room < 0:
            break
        count += 1
    return count


def _lines(page: MessagesData, view: View, *, short: bool) -> list[str]:
    heads = _Heads() if short else None
    lines: list[str] = []
    last_day = last_chat = None
    counts = page.get("unread_by_chat", {})
    for message in unfolded(page["messages"]):
        if counts and (chat := message.get("chat", "")) != last_chat:
            lines.append(f"{chat_of(message)}, {counts[chat]} unread")
            last_chat, last_day = chat, None
        if (today := message["timestamp"][DAY]) != last_day:
            lines.append(day_of(today))
            last_day = today
        line = message_line(message, page, view)
        lines.append(heads.shortened(line, message, sender_of(message, page)) if heads else line)
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
    notes = [*_withheld_hits(page), *page.get("notes", ())]
    following = more(page["next_cursor"])
    if not page["messages"]:
        going_on = following if to_the_end else []
        result = "none that is shown" if page.get("withheld_hits") or going_on else "none"
        return Text(f"{header}: {result}.", notes=[*notes, *going_on])
    if following and "left" in page:
        following = [f"{page['left']}{'+' if 'left_at_least' in page else ''} older. {following[0]}"]
    elif not following and to_the_end:
        following = [THAT_IS_ALL]
    short = detail == "concise" and _is_long_conversation(page)
    head = f"{header}{EXPLAINED if short else ''}:"
    return Text(head, _message_lines(page, detail, short=short), [*notes, *following])


def _withheld_hits(page: MessagesData) -> list[str]:
    """Return a note on search hits in withheld words and how to open them; it contains no name."""
    chats = page.get("withheld_hits", [])
    if not chats:
        return []
    places: list[str] = []
    for hits in chats[:CHATS_WITH_HITS]:
        rest = hits["count"] - len(hits["refs"])
        places.append(" ".join(hits["refs"]) + (f" and {rest} more in that chat" if rest else ""))
    if others := chats[CHATS_WITH_HITS:]:
        places.append(f"{sum(hits['count'] for hits in others)} in {len(others)} other chats")
    count = sum(hits["count"] for hits in chats)
    return [
        f"{count} more by people who are not in the address book, or passed on: "
        f"get_message_context opens {'; '.join(places)}."
    ]


def more(cursor: str | None) -> list[str]:
    """Return the line that says how to continue, if there is more."""
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
    """Return a chat's last sender and words; for a call or notice, also the words before it."""
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
    """Return the `person_line`, with the person's own name if the owner calls them otherwise."""
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
        who, _ = sender_of(last, last)
        sent_at = short_stamp(last["timestamp"], today)
        view = View(False, CHAT_TEXT, "")
        lines.append(
            f"last: {last['ref']} {sent_at} {who}{notes_of(last, view)}: {body_of(last, last, view)}"
        )
    return Text("Contact:", lines, [data["note"]] if "note" in data else [])
