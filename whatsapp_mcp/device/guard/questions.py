"""The question that a person reads before deciding: what would be done, to whom, in which words.

Each line is one line of ours. What others chose, an agent or a stranger, stands in it as a quotation, or
behind a bar below it (`policy/cleaning.py`), so none of it can pass for ours. Whom it reaches is said
first: a phone shows the beginning of what is long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, tzinfo
from typing import Any, Final, NamedTuple, cast

from whatsapp_mcp.models import (
    AlbumContent,
    AlbumFileContent,
    ChatFacts,
    ChatKind,
    ContactCardContent,
    Content,
    EditContent,
    FileContent,
    ForwardContent,
    Group,
    LocationContent,
    Permit,
    PinContent,
    PollContent,
    ReactionContent,
    RevokeContent,
    SendRequest,
    TextContent,
    VoteContent,
)
from whatsapp_mcp.policy import barred, quoted, whole
from whatsapp_mcp.text.emoji import is_emoji
from whatsapp_mcp.text.zone import local

_QUOTED: Final = 300
"""Characters of a message that is only answered or changed; what goes on to somebody else is shown whole."""
_PATH: Final = 200
"""Most characters of where a file is from."""
_WANTS: Final = {
    "fetch": "Request this address",
    "export": "Export messages",
    "reveal": "Show a one-time code to the agent",
    "release": "Show withheld words to the agent",
    "host_tool": "Let the agent use a tool of its own, on its computer:",
}
_UNREAD: Final = "it cannot be read"
_NOT_TOLD: Final = frozenset({"photo_origin"})
"""Arguments that are told with another one."""


class Referred(NamedTuple):
    """A message that an act is about.

    Attributes:
        author: Who wrote it, by the name that is shown.
        kind: Its kind.
        text: What it says.
        chat: The name of its chat, where it goes on to another one.
        file: What its file is: a clause of ours.
    """

    author: str
    kind: str
    text: str
    chat: str | None = None
    file: str = ""

    @property
    def bound(self) -> str:
        """Text that an approval is bound to."""
        return f"{self.author}: [{self.kind}] {self.text}"


class Asked(NamedTuple):
    """The question to a person about a feature's request.

    Attributes:
        lines: The question.
        whom: What stands before the name of each chat that it reaches.
        bound: What a yes is bound to, beside the arguments.
    """

    lines: Sequence[str]
    whom: str = "To"
    bound: Sequence[str] = ()


class Known(NamedTuple):
    """Facts that were looked up for a question.

    Attributes:
        messages: Those that a send forwards, answers or changes.
        asked: About the request of a feature.
        files: What each file is, and which message it came with, by path: a clause of ours.
        group: The group to which an invite leads; None where WhatsApp does not say.
    """

    messages: Sequence[Referred] = ()
    asked: Asked | None = None
    files: Mapping[str, str] = {}
    group: Group | None = None

    @property
    def bound(self) -> list[str]:
        """The part of it to which a yes is bound."""
        return [*(self.asked.bound if self.asked else ()), *(one.bound for one in self.messages)]


NOTHING: Final = Known()


def lines_of(
    operation: str,
    arguments: Mapping[str, Any],
    chats: Sequence[ChatFacts],
    known: Known = NOTHING,
    zone: tzinfo = UTC,
) -> tuple[str, ...]:
    """The question about an operation.

    Args:
        operation: Its name.
        arguments: Its arguments.
        chats: Whom it reaches.
        known: What was looked up for it.
        zone: The person's time zone.
    """
    request, wanted = arguments.get("request"), arguments.get("wanted")
    if isinstance(request, SendRequest):
        said = [*_said(request.content, known.files), *_reply(request)]
        return (*_recipients(chats), *_when(request, zone), *said, *_words(known.messages))
    if isinstance(wanted, Permit):
        details = [line for detail in wanted.details for line in barred("namely", detail)[1:]]
        return (_WANTS[wanted.wants], *_recipients(chats, "about"), *details)
    if known.asked is not None:
        return (*_recipients(chats, known.asked.whom), *known.asked.lines)
    heading = operation.replace("_", " ").capitalize()
    group = _invited(known.group) if operation == "join_group" else []
    return (*_recipients(chats), heading, *group, *_values(arguments, chats, known.files))


def not_sent(send_id: int, chat: ChatFacts, reason: str) -> str:
    """Return the notice to the person that a scheduled send has failed."""
    return f"The message to {_called(chat)} that was scheduled (send {send_id}) was not sent: {reason}"


def _recipients(chats: Sequence[ChatFacts], what: str = "To") -> list[str]:
    return [f"{what} {_called(chat)}" for chat in chats]


def _called(chat: ChatFacts) -> str:
    """`“Ann” (+15550001111)`, `+15550009999 (not in the address book)`, `the group “Town” (12 people)`."""
    if chat.is_own:
        return "yourself"
    if chat.is_person:
        address = chat.number or chat.jid
        return (
            f"{quoted(chat.name or '')} ({address})"
            if chat.is_known
            else f"{address} (not in the address book)"
        )
    named = f" {quoted(chat.name)}" if chat.name else f" {chat.jid}"
    people = _size(len(chat.members)) if chat.kind is ChatKind.GROUP else ""
    return f"the {chat.kind.value}{named}{people}"


def _size(people: int) -> str:
    return f" ({people} {'person' if people == 1 else 'people'})" if people else ""


def _invited(group: Group | None) -> list[str]:
    if group is None:
        return ["WhatsApp does not say to which group the invite leads"]
    return [f"It is the group {quoted(group.name)}{_size(len(group.participants))}"]


def _when(request: SendRequest, zone: tzinfo) -> list[str]:
    """When a send is to go out, if not now."""
    if request.at is None:
        return []
    due = local(request.at, zone)
    when = [f"Not now, but on {due:%A, %d %B %Y, at %H:%M} (UTC{due:%z})"]
    if request.unless_reply:
        when.append("unless somebody writes there before")
    if request.replaces is not None:
        when.append(f"in place of the scheduled send {request.replaces}")
    return when


def _reply(request: SendRequest) -> list[str]:
    return [f"in reply to message {_id(request.reply_to)}"] if request.reply_to else []


def _words(messages: Sequence[Referred]) -> list[str]:
    lines: list[str] = []
    for one in messages:
        wrote = f"{quoted(one.author)} wrote ({one.kind})"
        if one.chat is None:
            lines.append(f"{wrote}: {quoted(one.text, _QUOTED)}")
        else:
            lines += whole(f"{wrote} in the chat {quoted(one.chat)}", one.text)
            lines += [f"Its file is {one.file}"] if one.file else []
    return lines


def _values(arguments: Mapping[str, Any], chats: Sequence[ChatFacts], files: Mapping[str, str]) -> list[str]:
    """The arguments of an operation that is no send, but for whom it reaches."""
    addresses = {address for chat in chats for address in (chat.jid, *chat.addresses)}
    given: dict[str, Any] = {}
    for name, value in arguments.items():
        given |= asdict(value) if is_dataclass(value) and not isinstance(value, type) else {name: value}
    lines: list[str] = []
    for key, value in given.items():
        if value in (None, "", ()) or key in _NOT_TOLD or (isinstance(value, str) and value in addresses):
            continue
        if key == "photo":
            whence = quoted(given.get("photo_origin") or value, _PATH)
            lines.append(f"with a photo from {whence}: {files.get(value, _UNREAD)}")
        elif isinstance(value, (tuple, list)):
            several = cast("Sequence[object]", value)
            lines += [f"{key}: {quoted(str(each))}" for each in several if each not in addresses]
        elif isinstance(value, (bool, int, float)):
            lines.append(f"{key}: {value}")
        else:
            lines += whole(key, str(value))
    return lines


def _file(content: FileContent, files: Mapping[str, str]) -> list[str]:
    name = content.file_name or content.path.rpartition("/")[2]
    whence = quoted(content.origin, _PATH) if content.origin else "the call itself"
    return [
        f"Send this {content.kind}, named {quoted(name)}",
        f"It is from {whence}: {files.get(content.path, _UNREAD)}",
        *(whole("with the caption", content.caption) if content.caption else []),
    ]


def _said(content: Content, files: Mapping[str, str]) -> list[str]:
    match content:
        case TextContent():
            preview = ["with a preview of its first link, which is fetched"] if content.link_preview else []
            return [*barred("Send this text", content.text), *preview]
        case FileContent():
            return _file(content, files)
        case AlbumContent():
            lines = [line for file in content.files for line in _file(file, files)]
            return [f"Send {len(content.files)} files as an album:", *lines]
        case AlbumFileContent():
            return [f"Into the album {_id(content.album)}:", *_file(content.file, files)]
        case LocationContent():
            named = [*whole("called", content.name)] if content.name else []
            address = [*whole("at", content.address)] if content.address else []
            return [f"Send a location: {content.latitude}, {content.longitude}", *named, *address]
        case ContactCardContent():
            return [
                f"Send the contact card of {quoted(content.number)}",
                *whole("under the name", content.name),
            ]
        case PollContent():
            options = [line for option in content.options for line in whole("option", option)]
            return [*whole("Send a poll", content.question), *options]
        case _:
            return _changed(content)


def _changed(content: Content) -> list[str]:
    match content:
        case ForwardContent():
            return [f"Forward message #{content.ref}"]
        case ReactionContent(message_id, emoji):
            shown = emoji if is_emoji(emoji) else quoted(emoji)
            return [
                f"{f'React {shown} to' if emoji else 'Take back the reaction to'} message {_id(message_id)}"
            ]
        case EditContent(message_id, text):
            return barred(f"Change the text of message {_id(message_id)} to", text)
        case RevokeContent(message_id):
            return [f"Delete message {_id(message_id)} for everyone"]
        case PinContent(message_id, seconds):
            return [f"{'Pin' if seconds else 'Unpin'} message {_id(message_id)}"]
        case VoteContent(message_id, options):
            chosen = [line for option in options for line in whole("for", option)]
            return [f"Vote in poll {_id(message_id)}", *chosen]
        case _:
            raise TypeError(f"A {content.kind} changes no message.")


def _id(message_id: str) -> str:
    """WhatsApp's id of a message, which its sender chose."""
    return message_id if message_id.isalnum() and message_id.isascii() else quoted(message_id)
