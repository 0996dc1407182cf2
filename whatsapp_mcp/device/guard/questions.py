"""What a person reads before they decide: what would be done, to whom, in which words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, tzinfo
from typing import Any, Final

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
    ImportRequest,
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
from whatsapp_mcp.policy import visible
from whatsapp_mcp.zone import local

_LONGEST: Final = 70_000
"""Characters of a line: a text message has at most 65,536."""
_WANTS: Final = {
    "fetch": "Request this address",
    "export": "Export messages",
    "reveal": "Show a one-time code to the agent",
    "release": "Show withheld words to the agent",
    "host_tool": "Let the agent use a tool of its own, on its computer:",
}


def lines_of(
    operation: str,
    arguments: Mapping[str, Any],
    chats: Sequence[ChatFacts],
    words: Sequence[str] = (),
    zone: tzinfo = UTC,
) -> tuple[str, ...]:
    """The question about an operation.

    Args:
        operation: Its name.
        arguments: Its arguments.
        chats: Whom it reaches.
        words: What the messages say that a send forwards or answers; what is known of a file to import.
        zone: The person's time zone.
    """
    request = arguments.get("request")
    if isinstance(request, SendRequest):
        quoted = [f"> {line}" for line in words]
        # The recipient first: a phone shows the beginning of what is long.
        return (*_recipients(chats), *_when(request, zone), *_content_lines(request), *_cut(quoted))
    wanted = arguments.get("wanted")
    if isinstance(wanted, Permit):
        return (_WANTS[wanted.wants], *_cut(wanted.details), *_recipients(chats, "about"))
    if isinstance(request, ImportRequest):
        of_chat = [f"your name in it: {request.me}"] if request.me else []
        about = _recipients(chats, "It is the chat with")
        return ("Import this into the archive:", *_cut([request.path]), *words, *about, *_cut(of_chat))
    words = [f"{operation.replace('_', ' ').capitalize()}"]
    for name, value in arguments.items():
        given = asdict(value) if is_dataclass(value) and not isinstance(value, type) else {name: value}
        words += [f"{key}: {one}" for key, one in given.items() if one not in (None, "", ())]
    return (*_cut(words), *_recipients(chats))


def not_sent(send_id: int, chat: ChatFacts, reason: str) -> str:
    """What the person is told of a scheduled send that has failed."""
    return visible(
        f"The message to {_called(chat)} that was scheduled (send {send_id}) was not sent: {reason}"
    )


def _cut(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…" for line in lines)


def _recipients(chats: Sequence[ChatFacts], what: str = "To") -> list[str]:
    return [f"{what} {_called(chat)}" for chat in chats]


def _called(chat: ChatFacts) -> str:
    """`Ann (+15550001111)`, `+15550009999 (not in the address book)`, `the group “Town” (12 people)`."""
    if chat.is_own:
        return "yourself"
    if chat.is_person:
        address = chat.number or chat.jid
        return f"{chat.name} ({address})" if chat.is_known else f"{address} (not in the address book)"
    named = f" “{chat.name}”" if chat.name else f" {chat.jid}"
    people = f" ({len(chat.members)} people)" if chat.kind is ChatKind.GROUP and chat.members else ""
    return f"the {chat.kind.value}{named}{people}"


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


def _content_lines(request: SendRequest) -> list[str]:
    lines = _said(request.content)
    if request.reply_to:
        lines.append(f"in reply to message {request.reply_to}")
    return [*_cut(lines)]


def _named(file: FileContent) -> str:
    return file.file_name or file.path.rpartition("/")[2]


def _said(content: Content) -> list[str]:
    match content:
        case TextContent():
            preview = ["with a preview of its first link, which is fetched"] if content.link_preview else []
            return ["Send this text:", content.text, *preview]
        case FileContent():
            caption = [f"with the caption: {content.caption}"] if content.caption else []
            return [f"Send this {content.kind}: {_named(content)}", *caption]
        case AlbumContent():
            files = [line for file in content.files for line in _said(file)]
            return [f"Send {len(content.files)} files as an album:", *files]
        case AlbumFileContent():
            return [f"Into the album {content.album}:", *_said(content.file)]
        case LocationContent():
            return [
                f"Send a location: {content.latitude}, {content.longitude} {content.name} {content.address}"
            ]
        case ContactCardContent():
            return [f"Send the contact card of {content.name} {content.number}"]
        case PollContent():
            return [f"Send a poll: {content.question}", *(f"- {option}" for option in content.options)]
        case ForwardContent():
            return [f"Forward message #{content.ref}"]
        case ReactionContent():
            how = f"React {content.emoji} to" if content.emoji else "Take back the reaction to"
            return [f"{how} message {content.message_id}"]
        case EditContent():
            return [f"Change the text of message {content.message_id} to:", content.text]
        case RevokeContent():
            return [f"Delete message {content.message_id} for everyone"]
        case PinContent():
            return [f"{'Pin' if content.seconds else 'Unpin'} message {content.message_id}"]
        case VoteContent():
            return [f"Vote in poll {content.message_id}: {', '.join(content.options)}"]
