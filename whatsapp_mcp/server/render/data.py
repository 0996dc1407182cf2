"""Structured content: the shapes that programs may rely on. Times are RFC 3339 with zone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any, Final, NotRequired, cast

from typing_extensions import TypedDict

from whatsapp_mcp.models import (
    EXCERPT,
    LAST_WORDS,
    Chat,
    LastMessage,
    Media,
    Mention,
    Message,
    MessageKind,
    Page,
    Quote,
    with_names,
)
from whatsapp_mcp.policy import clean, clean_line
from whatsapp_mcp.server.fencing import (
    full_name,
    identifier,
    in_quotes,
    known_identifier,
    media_type,
    reaction_shown,
    spoken_of,
)
from whatsapp_mcp.server.render.kinds import PostData, kind_text, voters_data, what_of, without_title
from whatsapp_mcp.server.render.readings import HEARD, file_facts
from whatsapp_mcp.server.render.times import rfc3339, stamp, stamp_of_number

_TIMES: Final = frozenset({"starts_at", "ends_at", "expires_at"})
FORWARDED: Final = " (forwarded, author unknown)"
"""Follows the name of somebody who forwarded a message."""


class ChatData(TypedDict):
    """One chat of a list; what is not there does not apply.

    `stranger` says that the name is of their own choice: they are not in the owner's address book. In groups
    `last_sender` wrote the last message. Where that is a call or a notice, `last_words` are what was last
    said, and by whom. Where its words are withheld, `last_withheld` is the ref that opens it. With
    `last_heard` the last message is the transcript of a voice note.
    """

    jid: str
    name: str
    kind: str
    unread: int
    last_message_at: str | None
    last_message: NotRequired[str]
    last_from_me: NotRequired[bool]
    last_forwarded: NotRequired[bool]
    last_sender: NotRequired[str]
    last_sender_stranger: NotRequired[bool]
    last_words: NotRequired[str]
    last_withheld: NotRequired[str]
    last_heard: NotRequired[bool]
    stranger: NotRequired[bool]
    archived: NotRequired[bool]
    pinned: NotRequired[bool]
    muted_until: NotRequired[str | None]


class ChatsData(TypedDict):
    """A page of chats; `notes` tell why an empty one may not be all."""

    chats: list[ChatData]
    next_cursor: str | None
    notes: NotRequired[list[str]]


class WhereData(TypedDict):
    """The chat of a message, or of all messages of a list; `chat_stranger` is as `stranger` of a chat."""

    chat: NotRequired[str]
    chat_name: NotRequired[str]
    chat_stranger: NotRequired[bool]


class MessageData(WhereData):
    """One message of a list; what is not there does not apply.

    The chat is named here, unless the list is of one chat. `from_me` is of the owner; what has no `sender`
    either is of the person whose direct chat it is. `sender_stranger` is as `stranger` of a chat; `earlier`
    is what an edited message said before, oldest first. `snippet_of` says where a hit is if not in the text:
    `file_name`, `options`, or `reading`: what was read in the file, on its page `snippet_page`. `reading` is
    the beginning of that, without the words where their author is unknown: `read_file` has them. `problem`
    says why a file is not here, or not read. `kept_by` is who keeps it where messages disappear, if that is
    known. `album` has the refs of the files that were sent as one, and how many its sender announced; each of
    them says in `album_of` where it belongs. `context` marks what passes no filter and came before what does.
    `withheld` counts the messages of this author whose words are left out, of which this is the first.
    """

    ref: str
    message_id: str
    from_me: NotRequired[bool]
    sender: NotRequired[str]
    sender_name: NotRequired[str]
    sender_stranger: NotRequired[bool]
    kind: str
    text: str
    timestamp: str
    status: NotRequired[str]
    snippet: NotRequired[str]
    snippet_of: NotRequired[str]
    snippet_page: NotRequired[int]
    reading: NotRequired[dict[str, Any]]
    problem: NotRequired[str]
    media: NotRequired[dict[str, Any]]
    reply_to: NotRequired[dict[str, Any]]
    reactions: NotRequired[list[dict[str, Any]]]
    poll: NotRequired[list[dict[str, Any]]]
    edited_at: NotRequired[str | None]
    earlier: NotRequired[list[str]]
    revoked_at: NotRequired[str | None]
    forwarded: NotRequired[bool]
    imported: NotRequired[bool]
    mentions_me: NotRequired[bool]
    starred: NotRequired[bool]
    kept_by: NotRequired[str]
    details: NotRequired[dict[str, Any]]
    album: NotRequired[dict[str, Any]]
    album_of: NotRequired[str]
    context: NotRequired[bool]
    withheld: NotRequired[int]


class WithheldHitsData(TypedDict):
    """Hits of a search in the words of one chat that are withheld; `refs` are the newest of them."""

    count: int
    refs: list[str]


class MessagesData(WhereData):
    """A page of messages, of one chat where that stands here; `notes` tell where messages may be missing.

    Those of a channel are `posts`. With `unread_by_chat` they stand chat by chat, and it counts all that is
    unread of each. `left` counts what comes after the page. `chats_named` have a word of the search.
    """

    messages: list[MessageData]
    next_cursor: str | None
    posts: NotRequired[list[PostData]]
    unread_by_chat: NotRequired[dict[str, int]]
    left: NotRequired[int]
    left_at_least: NotRequired[bool]
    notes: NotRequired[list[str]]
    chats_named: NotRequired[list[WhereData]]
    withheld_hits: NotRequired[list[WithheldHitsData]]


def ref_of(number: int | None) -> str | None:
    """`#1042`; None stays None."""
    return None if number is None else f"#{number}"


def chat_data(chat: Chat, zone: tzinfo) -> ChatData:
    """One chat."""
    data: ChatData = {
        "jid": identifier(chat.jid),
        "name": full_name(chat.name),
        "kind": str(chat.kind),
        "unread": chat.unread,
        "last_message_at": rfc3339(chat.last_message_at, zone),
    }
    if chat.stranger:
        data["stranger"] = True
    if chat.last_message:
        _add_last(data, chat.last_message, zone)
    if chat.archived:
        data["archived"] = True
    if chat.pinned:
        data["pinned"] = True
    if chat.muted_until:
        data["muted_until"] = rfc3339(chat.muted_until, zone)
    return data


def _add_last(data: ChatData, last: LastMessage, zone: tzinfo) -> None:
    direct = data["kind"] == "direct"
    if last.withheld:
        data["last_withheld"] = f"#{last.ref}"
    else:
        data["last_message"] = _words(last, zone, direct=direct)
        if last.heard:
            data["last_heard"] = True
    if last.forwarded:
        data["last_forwarded"] = True
    if last.from_me:
        data["last_from_me"] = True
    elif last.sender_name and not direct:
        data["last_sender"] = full_name(last.sender_name)
        if last.stranger:
            data["last_sender_stranger"] = True
    if before := last.before:
        who = spoken_of(before.sender_name or data["name"], before.from_me, before.stranger)
        passed_on = FORWARDED if before.forwarded else ""
        words = withheld_text(f"#{before.ref}") if before.withheld else _words(before, zone, direct=direct)
        if before.heard:
            passed_on, words = f"{passed_on} {HEARD}", in_quotes(words, len(words))
        data["last_words"] = f"{who}{passed_on}: {words}"


def _words(last: LastMessage, zone: tzinfo, *, direct: bool) -> str:
    """Return the words of a chat's last message, with its kind unless it is plain text."""
    if last.revoked:
        return deleted_text(direct=direct)
    if last.heard:
        return clean(last.heard[:EXCERPT])
    text = _spoken(last.text[:LAST_WORDS], last.mentions)
    details = _details(last.details, zone)
    plain = last.kind is MessageKind.TEXT and not what_of(details)
    if plain or (last.kind is MessageKind.CALL and text):
        return text
    return f"{kind_text(str(last.kind), None, details)} {without_title(text, details)}".rstrip()


def _spoken(text: str, mentions: Mapping[str, Mention] | None) -> str:
    """Clean, with what lists call those who are mentioned: `@me`, `@Ann`, `@~Tom`."""
    return clean(with_names(text, mentions, _mentioned))


def _mentioned(mention: Mention) -> str:
    return spoken_of(mention.name, mention.from_me, mention.stranger)


def withheld_text(ref: str, count: int = 1) -> str:
    """Return the placeholder for withheld words, which says how to open them."""
    return f"[a stranger wrote{f' ({count} messages)' if count > 1 else ''}: open {ref}]"


def deleted_text(*, direct: bool) -> str:
    """Return the placeholder for a message deleted for everyone; in a group an admin may have done it."""
    return "[deleted by sender]" if direct else "[deleted]"


def chats_data(page: Page[Chat], zone: tzinfo) -> ChatsData:
    """A page of chats."""
    return ChatsData(chats=[chat_data(chat, zone) for chat in page.items], next_cursor=page.next_cursor)


def message_data(message: Message, zone: tzinfo, *, with_chat: bool = True) -> MessageData:
    """One message, its text cleaned and otherwise whole."""
    data: MessageData = {
        "ref": f"#{message.ref}",
        "message_id": identifier(message.message_id),
        "kind": message.kind.value,
        "text": _spoken(message.text, message.mentions) if message.mentions else clean(message.text),
        "timestamp": stamp(message.timestamp, zone),
    }
    if with_chat:
        _add_chat(data, message)
    if message.from_me:
        data["from_me"] = True
    elif message.sender != message.chat:
        data["sender"] = known_identifier(message.sender)
        data["sender_name"] = full_name(message.sender_name)
        if message.sender_stranger:
            data["sender_stranger"] = True
    if message.withheld:
        data["withheld"] = message.withheld
    if message.status:
        data["status"] = str(message.status)
    if message.snippet:
        data["snippet"] = _spoken(message.snippet, message.mentions)
        if message.snippet_of != "text":
            data["snippet_of"] = message.snippet_of
    if message.media:
        data["media"] = media_data(message.media)
        if message.reading or message.problem:
            data |= cast(MessageData, file_facts(message))
    if message.quote or message.reactions or message.poll or message.album or message.album_of:
        _add_relations(data, message)
    if message.edited_at:
        data["edited_at"] = rfc3339(message.edited_at, zone)
        if message.earlier:
            data["earlier"] = [_spoken(text, message.mentions) for text in message.earlier]
    if message.revoked_at:
        data["revoked_at"] = rfc3339(message.revoked_at, zone)
    if message.forwarded:
        data["forwarded"] = True
    if message.imported:
        data["imported"] = True
    if message.mentions_me:
        data["mentions_me"] = True
    if message.starred:
        data["starred"] = True
    if keeper := message.kept_by:
        data["kept_by"] = spoken_of(keeper.name, keeper.from_me, keeper.stranger) if keeper.name else ""
    if message.details:
        data["details"] = _details(message.details, zone)
    return data


def _add_chat(data: WhereData, message: Message) -> None:
    data["chat"] = known_identifier(message.chat)
    data["chat_name"] = full_name(message.chat_name)
    if message.chat_stranger:
        data["chat_stranger"] = True


def _add_relations(data: MessageData, message: Message) -> None:
    if message.quote:
        data["reply_to"] = _reply_to(message.quote)
    if album := message.album:
        data["album"] = {"expected": album.expected, "files": [f"#{ref}" for ref in album.files]}
    if message.album_of:
        data["album_of"] = f"#{message.album_of}"
    if message.reactions:
        data["reactions"] = [
            {
                "emoji": reaction_shown(reaction.emoji),
                "sender_name": full_name(reaction.sender_name),
                "from_me": reaction.from_me,
                **({"stranger": True} if reaction.stranger else {}),
            }
            for reaction in message.reactions
        ]
    if message.poll:
        data["poll"] = [
            {
                "name": full_name(option.name),
                "voters": voters_data(option.voters),
            }
            for option in message.poll
        ]


def _reply_to(quote: Quote) -> dict[str, Any]:
    """Return the quoted message; its sender is named only if the archive has that message."""
    data: dict[str, Any] = {
        "message_id": identifier(quote.message_id),
        "ref": ref_of(quote.ref),
        "text": clean(quote.text or ""),
    }
    if quote.withheld:
        data["withheld"] = True
    if quote.ref is not None:
        data["sender_name"] = full_name(quote.sender_name or "")
        if quote.stranger:
            data["stranger"] = True
    return data


def media_data(media: Media) -> dict[str, Any]:
    """Return the known properties of a file; unknown ones are omitted."""
    known = {
        "mime_type": media.mime_type and media_type(media.mime_type),
        "file_name": None if media.file_name is None else clean_line(media.file_name),
        "size": media.size,
        "duration": media.duration,
        "width": media.width,
        "height": media.height,
        "path": media.path,
        "view_once": media.view_once or None,
    }
    return {key: value for key, value in known.items() if value is not None}


def _details(value: Any, zone: tzinfo) -> Any:
    """Cleaned, its times in RFC 3339; a time that nobody set is left out."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        details = {
            key: stamp_of_number(inner, zone) if key in _TIMES else inner for key, inner in value.items()
        }
        return {full_name(key): _details(inner, zone) for key, inner in details.items() if inner is not None}
    if isinstance(value, (list, tuple)):
        return [_details(inner, zone) for inner in value]
    return value


def messages_data(page: Page[Message], zone: tzinfo, *, of_one_chat: bool = False) -> MessagesData:
    """A page of messages."""
    data = MessagesData(
        messages=[message_data(message, zone, with_chat=not of_one_chat) for message in page.items],
        next_cursor=page.next_cursor,
    )
    if of_one_chat and page.items:
        _add_chat(data, page.items[0])
    if page.notes:
        data["notes"] = list(page.notes)
    if page.withheld:
        data["withheld_hits"] = [
            WithheldHitsData(count=one.hits, refs=[f"#{ref}" for ref in one.refs]) for one in page.withheld
        ]
    if page.left:
        data["left"] = page.left.count
        if page.left.at_least:
            data["left_at_least"] = True
    return data
