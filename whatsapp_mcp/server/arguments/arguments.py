"""The argument types that tools share, and the chat that a text means."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from whatsapp_mcp.errors import AmbiguousChat, Candidate, ChatNotFound, InvalidArgument
from whatsapp_mcp.jid import Jid, is_person, looks_like_jid, looks_like_number
from whatsapp_mcp.models import MessageKind
from whatsapp_mcp.server.calls import Neutral
from whatsapp_mcp.server.fencing import chosen_name, titled
from whatsapp_mcp.text.emoji import is_emoji

if TYPE_CHECKING:
    from whatsapp_mcp.models import Chat, ChatCandidate, Message
    from whatsapp_mcp.server.calls import Services

_RARELY_WANTED: Final = frozenset(
    {MessageKind.LIVE_LOCATION, MessageKind.SYSTEM, MessageKind.UNDECRYPTABLE, MessageKind.UNKNOWN}
)
_KINDS_NAMED: Final = [str(kind) for kind in MessageKind if kind not in _RARELY_WANTED]
_REF: Final = re.compile(r"#\d{1,15}")
MAX_LIMIT: Final = 200
"""Most items per page of a list."""
LONG_LIMIT: Final = 500
"""Most items per page of a list whose pages may also end where the answer is full."""
MAX_AROUND: Final = 100
"""Messages that are shown on one side of another."""
MAX_WAIT: Final = 50.0
"""Seconds; applications give up on a call after 60."""


def between(least: int, most: int) -> AfterValidator:
    """Holds a number within bounds that no schema states: some applications refuse a schema with them."""

    def check(value: int) -> int:
        if not least <= value <= most:
            raise ValueError(f"must be between {least} and {most}")
        return value

    return AfterValidator(check)


def _from_json(value: Any) -> Any:
    """Some applications send lists as JSON text."""
    if isinstance(value, str) and value.strip().startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _listed(value: Any) -> Any:
    value = _from_json(value)
    return [value] if isinstance(value, (str, int)) else value


def _kinds_listed(value: Any) -> Any:
    value = _from_json(value)
    return [kind for kind in value.split(",") if kind.strip() != "any"] if isinstance(value, str) else value


def _seconds(value: Any) -> Any:
    # Some applications give `true`, which Python would count as one second.
    if isinstance(value, bool):
        return MAX_WAIT if value else 0.0
    return value


def _check_wait(value: float) -> float:
    if not 0 <= value <= MAX_WAIT:
        raise ValueError(f"must be between 0 and {MAX_WAIT:.0f} seconds")
    return value


ChatArg = Annotated[str, Field(description="Name, number, jid")]
MessageArg = Annotated[str, Field(description="#1042 or id")]
SendId = Annotated[int, Field(description="Without a ref; else 0")]
ReplyArg = Annotated[str, Field(description="Ref here, or of a group to its author")]
Limit = Annotated[int, between(1, MAX_LIMIT), Field(json_schema_extra={"maximum": MAX_LIMIT})]
LongLimit = Annotated[int, between(1, LONG_LIMIT), Field(json_schema_extra={"maximum": LONG_LIMIT})]
Around = Annotated[int, between(0, MAX_AROUND), Field(json_schema_extra={"maximum": MAX_AROUND})]
Context = Annotated[int, between(0, 10), Field(description="Before each; up to 10")]
Texts = Annotated[list[str], BeforeValidator(_listed)]
FileArg = Annotated[str, Field(description="Path, URL or data: URL")]
Kinds = Annotated[
    list[str],
    BeforeValidator(_kinds_listed),
    WithJsonSchema({"type": "array", "items": {"type": "string", "enum": _KINDS_NAMED}}),
]
"""Kinds of messages, of which any will do. Those that are rarely wanted are understood and not named."""
Wait = Annotated[float, BeforeValidator(_seconds), AfterValidator(_check_wait)]
Either = Annotated[bool | None, Neutral("any")]
"""A filter that takes one side, the other, or both."""
Switch = Annotated[bool | None, Neutral("keep")]
"""A setting that is turned on, turned off, or kept."""
Since = Annotated[str, Field(description="Date, weekday or age: 3d, 2mo")]
Until = Annotated[str, Field(description="Inclusive; as since")]
Detail = Literal["concise", "full"]
_LOOKED_AT: Final = 200
"""Newest messages of a person that are looked at for the groups in which they wrote."""
_GROUPS_TOLD: Final = 4
"""Groups that are named of a person without a direct chat."""
_GROUPS_IN_COMMON: Final = 3
"""Groups in common that are named of each candidate."""
_LATELY: Final = timedelta(days=30)
"""In this time the user wrote to whom they are likely to mean."""
TIMERS: Final = {"off": 0, "24h": 86_400, "7d": 604_800, "90d": 7_776_000}
"""The times after which WhatsApp lets messages disappear, in seconds."""
Timer = Annotated[Literal["off", "24h", "7d", "90d"], Field(description="New messages disappear after")]


def candidate(chat: Chat) -> Candidate:
    """A candidate: name, address and the time of the last message."""
    jid = Jid.parse(chat.jid)
    notes = ["group"] if jid.is_group else []
    notes += [f"last on {chat.last_message_at:%Y-%m-%d}"] if chat.last_message_at else []
    return Candidate(chat.name, jid.number or chat.jid, ", ".join(notes) or None, chat.stranger)


def _first_words(candidate: ChatCandidate, text: str) -> bool:
    name = candidate.chat.name
    return any(
        f"{form} ".casefold().startswith(f"{text.strip()} ".casefold()) for form in (name, chosen_name(name))
    )


def choose(
    candidates: tuple[ChatCandidate, ...], text: str, *, reading: bool = False, own_names: bool = False
) -> Chat:
    """The chat that a text identifies.

    A jid, a number, the only full name; or the only name with these words, if it begins with them. A name
    that people chose themselves is not enough: anybody may choose it. Who only reads may take any part of
    the only name: what it shows tells whose chat it is.

    Args:
        candidates: What the text may mean, best first.
        text: What was given.
        reading: Nothing is sent or changed.
        own_names: Names of people's own choice count, because all who may be meant are in one group.

    Raises:
        ChatNotFound: Nothing matches; what is similar is offered.
        AmbiguousChat: More than one may be meant, or a part of one name.
    """
    from whatsapp_mcp.models import meant

    near = meant(candidates)
    if all(one.matched == "similar" for one in near):
        raise ChatNotFound(
            f"No chat matches {text!r}.", candidates=[candidate(one.chat) for one in candidates]
        )
    first, *others = near
    whole = first.matched not in {"words", "prefix", "contains"}
    sure = whole or _first_words(first, text)
    own_name = first.chat.stranger and first.matched not in {"jid", "number"}
    if not others and (reading or (sure and (own_names or not own_name))):
        return first.chat
    offered = [candidate(one.chat) for one in near]
    if own_name and not others:
        raise AmbiguousChat(
            f"No contact is called {text!r}; somebody who is not a contact chose that name.",
            "If this is who is meant, call again with the number.",
            candidates=offered,
        )
    if others:
        raise AmbiguousChat(f"{text!r} matches {len(near)} chats.", candidates=offered)
    raise AmbiguousChat(
        f"{text!r} is only part of a name.",
        "If this chat is meant, call again with the whole name.",
        candidates=offered,
    )


async def choose_one(
    services: Services,
    candidates: tuple[ChatCandidate, ...],
    text: str,
    *,
    reading: bool = False,
    own_names: bool = False,
) -> Chat:
    """Choose a chat as `choose` does; if ambiguous, name the groups in common with each person.

    Raises:
        ChatNotFound, AmbiguousChat: As `choose`.
    """
    from whatsapp_mcp.models import meant

    try:
        return choose(candidates, text, reading=reading, own_names=own_names)
    except AmbiguousChat as error:
        near = zip(meant(candidates), error.candidates, strict=True)
        offered = [await _with_groups(services, one.chat, told) for one, told in near]
        raise AmbiguousChat(error.message, error.action, candidates=offered) from error


async def _with_groups(services: Services, chat: Chat, candidate: Candidate) -> Candidate:
    """A candidate with the names of some groups in common."""
    if not is_person(chat.jid):
        return candidate
    groups = await services.archive.common_groups(chat.jid)
    names = ", ".join(titled(group.name) for group in groups[:_GROUPS_IN_COMMON])
    more = f" and {left} more" if (left := len(groups) - _GROUPS_IN_COMMON) > 0 else ""
    return replace(
        candidate, note=", ".join(filter(None, [candidate.note, names and f"in {names}{more}"])) or None
    )


def one_emoji(text: str) -> str:
    """An emoji to react with, or an empty string.

    Raises:
        InvalidArgument: It is some other text.
    """
    emoji = text.strip()
    if emoji and not is_emoji(emoji):
        raise InvalidArgument(
            "emoji is not a single emoji.", "Give one emoji, or an empty string to remove the reaction."
        )
    return emoji


def is_ref(text: str) -> bool:
    """Return whether the text is the ref of a message (`#1042`)."""
    return _REF.fullmatch(text.strip()) is not None


async def find_chat(services: Services, text: str, *, reading: bool = False) -> Chat:
    """The chat that a number, jid, name or a message's ref means; it may hold no message yet.

    Raises:
        InvalidArgument: The text is empty.
        MessageNotFound: There is no message with this ref.
        ChatNotFound, AmbiguousChat: As `choose`; also for somebody else's message in a group, unless it is
            for reading.
    """
    if not text.strip():
        raise InvalidArgument("chat is empty.", "Give a phone number with country code, a jid or a name.")
    if is_ref(text):
        message = await services.archive.message(text)
        if not reading:
            await _refuse_two_meanings(services, message)
        text = message.chat
    chat = await choose_one(services, await services.archive.resolve_chat(text), text, reading=reading)
    if reading:
        return chat
    chat = await _where_posted(services, chat)
    if not is_certain(text):
        await _refuse_unlikely(services, chat)
    return chat


def is_certain(text: str) -> bool:
    """Return whether a text identifies a chat by more than a name."""
    return is_ref(text) or looks_like_jid(text) or looks_like_number(text)


async def _refuse_unlikely(services: Services, chat: Chat) -> None:
    """Refuse the name of a chat where the user is silent, if it is nearly that of one where they write.

    Raises:
        AmbiguousChat: It is; both are candidates.
    """
    likelier = await services.archive.likelier_chats(chat.jid, services.now() - _LATELY)
    if likelier:
        raise AmbiguousChat(
            "The user has not written in this chat for a month, but to somebody with nearly its name.",
            "Call again with the number or jid of the one that is meant.",
            candidates=[await _with_groups(services, one, candidate(one)) for one in (chat, *likelier)],
        )


async def _where_posted(services: Services, chat: Chat) -> Chat:
    """The chat, or of a community its announcement group: phones post there, and nothing in the community.

    Raises:
        ChatNotFound: That group is not known.
    """
    communities = await services.archive.communities() if Jid.parse(chat.jid).is_group else {}
    if chat.jid not in communities:
        return chat
    announcements = communities[chat.jid]
    announcement_group = await services.archive.chat(announcements) if announcements else None
    if announcement_group is None:
        raise ChatNotFound(
            "This is a community, in which nothing is posted, and its announcement group is not known here.",
            "Look at it with get_group, then call again.",
            candidates=[candidate(chat)],
        )
    return announcement_group


async def _refuse_two_meanings(services: Services, message: Message) -> None:
    """Refuse a ref that may mean the group or the author: a private word must not go to all.

    Raises:
        AmbiguousChat: It is somebody else's message in a chat of several.
    """
    jid = Jid.parse(message.chat)
    if message.from_me or jid.is_person or message.sender == message.chat:
        return
    author = await _spelled(
        services, message.sender, message.sender_name, f"who wrote #{message.ref}", message.sender_stranger
    )
    offered = [author]
    if jid.is_group:
        offered.insert(0, await _spelled(services, message.chat, message.chat_name, "the group"))
    raise AmbiguousChat(
        f"#{message.ref} may mean the chat that it is in, or the person who wrote it.",
        "Call again with the one that is meant.",
        candidates=offered,
    )


async def _spelled(services: Services, jid: str, name: str, note: str, stranger: bool = False) -> Candidate:
    """Return a candidate for a chat, with its number or jid unless its name is certain to mean it."""
    given = chosen_name(name)
    try:
        certain = choose(await services.archive.resolve_chat(given), given).jid == jid
    except (AmbiguousChat, ChatNotFound, InvalidArgument):
        certain = False
    address = None if certain else Jid.parse(jid).number or jid
    return Candidate(name, address, note, stranger, argument="chat")


async def find_known_chat(services: Services, text: str, *, reading: bool = False) -> Chat:
    """Find an archived chat as `find_chat` does; for reading, a name that lists show only once is enough.

    Raises:
        ChatNotFound: Also when a number or jid was never seen.
    """
    if reading and (shown := await services.archive.chat_shown_as(text)):
        return shown
    chat = await find_chat(services, text, reading=reading)
    if chat.last_message_at is not None:
        return chat
    known = await services.archive.chat(chat.jid)
    if known is None:
        raise await _nothing_said(services, chat)
    return known


async def _nothing_said(services: Services, chat: Chat) -> ChatNotFound:
    """The error for a person without a direct chat: who they are, and in which groups they wrote."""
    from whatsapp_mcp.models import MessageFilter

    written = await services.archive.messages(MessageFilter(sender=chat.jid), limit=_LOOKED_AT)
    groups = {one.chat: one.chat_name for one in written.items if Jid.parse(one.chat).is_group}
    person = candidate(chat)
    notes = [Candidate(name, jid, "group in which they wrote") for jid, name in groups.items()]
    return ChatNotFound(
        "There is no direct chat with this person yet.",
        "send_message takes the name or number given; "
        "list_messages with sender instead of chat shows what they wrote in groups.",
        candidates=[person, *notes[:_GROUPS_TOLD]],
    )
