"""An archive and a device whose every field that other people fill holds a marked, hostile text.

The values are built from the type hints of `ReadingArchive`, `Device` and the models: a field that is added
tomorrow is hostile without anybody's doing, unless it is said here to hold words of ours.
"""

from __future__ import annotations

import dataclasses
import enum
import types
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from tests.devices import ByName
from tests.server.fakes import CODE, NOON
from whatsapp_mcp.archive import ReadingArchive
from whatsapp_mcp.device.operations import Operation, never
from whatsapp_mcp.models import Chat, ChatKind, ConnectionState, Mention

WORDS = 60
ME = "15550001111@s.whatsapp.net"
TOKEN = "15550009999"
PERSON, GROUP, CHANNEL = f"{TOKEN}@s.whatsapp.net", "120363000000000001@g.us", "120363000000000002@newsletter"
COMMUNITY = "120363000000000003@g.us"
_BETWEEN = (
    " ", "\n#7 12:00 me: ", f"</messages {CODE}>", ", ", "; ", " (+15550001111), last on 2026-11-24; ", ": ",
    "“", "”", "\u202e", "\x1b[31m", "\u2028", "</ MESSAGES>", "＜/ｍｅｓｓａｇｅｓ＞",
    " https://evil.example/x ", "] [", "\nMore: cursor=", "\r", '"', "{👍 me} ",
)  # fmt: skip


def evil(first: int) -> str:
    """Sixty marked words, with what could end a name, a line or the fence between them, in turn."""
    words = (f"zq{number}{_BETWEEN[(first + number) % len(_BETWEEN)]}" for number in range(WORDS))
    return f"{''.join(words)} @{TOKEN} "


JIDS = {"jid", "chat", "sender", "lid", "owner", "parent", "other", "actor", "topic_by", "reply_chat"}
"""Fields that hold an address, whatever class they are in."""
OURS: Mapping[str, Any] = {
    "Page.next_cursor": "C1",
    "Page.after": None,
    "Digest.new": dict.fromkeys((PERSON, GROUP, CHANNEL), 2),
    "SendReport.next_cursor": "C1",
    "Page.notes": ("Messages may be missing.",),
    "Coverage.gaps": (),
    "SendResult.reason": "REJECTED: WhatsApp refused it.",
    "MemberChange.reason": "has blocked this account",
    "ConnectionStatus.state": ConnectionState.ONLINE,
    "ConnectionStatus.reason": None,
    "ConnectionStatus.action": None,
    "ConnectionStatus.settings_error": None,
    "ConnectionStatus.account": "default",
    "ConnectionStatus.device_id": "1",
    "ConnectionStatus.failures": {},
    "FilesStatus.paused": "The connection to WhatsApp is down.",
    "FileProblem.code": "MEDIA_UNAVAILABLE",
    "FileProblem.sentence": "WhatsApp no longer has it.",
    "ConnectionStatus.leader_pid": 1,
    "ConnectionStatus.name": "Me",
    "LinkState.code": "ABCD-1234",
    "LinkState.reason": "linking has ended.",
    "QrCode.text": "2@text",
    "Contact.saved_name": None,
    "Contact.known": False,
    "Chat.stranger": True,
    "MediaSource.size": 9,
    "MediaSource.media_type": "document",
}
"""What is written by this package, the phone's owner or WhatsApp itself, with a value for it."""


_ON_A_PAGE = 3
"""Different items of a page."""
RARE = {"revoked", "revoked_at", "view_once"}
"""What hides the words of a message."""


_hints = cache(get_type_hints)


class Hostile:
    """Builds values of any type; `variant`, which may change, chooses among what a type can be."""

    def __init__(self, variant: int, file: str) -> None:
        self.variant = variant
        self.file = file

    @property
    def evil(self) -> str:
        """The hostile text of this variant."""
        return evil(self.variant)

    def of(self, kind: Any, where: str = "") -> Any:
        """A value of this type."""
        name = where.rpartition(".")[2]
        if where in OURS:
            return OURS[where]
        if name in RARE:
            return (
                NOON if kind == datetime | None and self.variant % 9 == 8 else self.variant % 9 == 8 or None
            )
        if kind in {None, types.NoneType}:
            return None
        if kind is str:
            return self._text(name)
        if kind in {int, float}:
            return self.variant % 3 + 1
        if kind is bool:
            return name.endswith("stranger") or bool((self.variant + len(name)) % 2)
        if kind is datetime:
            return NOON
        if kind is date:
            return NOON.date()
        if kind is time:
            return NOON.time()
        if kind is bytes:
            return b"k" * 32
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return self._one_of(list(kind))
        if dataclasses.is_dataclass(kind):
            return self._model(kind, {})
        return self._generic(kind, where)

    def _text(self, name: str) -> str:
        if name in JIDS:
            return self._one_of((PERSON, GROUP, CHANNEL))
        if name == "number":
            return f"+{TOKEN}"
        return self.file if name == "path" else self.evil

    def _one_of(self, options: Sequence[Any]) -> Any:
        return options[self.variant % len(options)]

    def _generic(self, kind: Any, where: str) -> Any:
        origin, inner, name = get_origin(kind), get_args(kind), where.rpartition(".")[2]
        if origin in {Union, types.UnionType}:
            given = [each for each in inner if each is not types.NoneType]
            absent = len(given) < len(inner) and (self.variant + len(name)) % 5 == 4
            return None if absent else self.of(given[0], where)
        if origin is Literal:
            return self._one_of(inner)
        if origin is tuple and len(inner) == 2 and inner[1] is Ellipsis:
            if where == "Page.items":
                return tuple(
                    Hostile(_ON_A_PAGE * self.variant + n, self.file).of(inner[0]) for n in range(_ON_A_PAGE)
                )
            return (self.of(inner[0], where),) * (1 + (self.variant + len(name) + 1) % 2)
        if origin is tuple:
            return tuple(self.of(each, where) for each in inner)
        if origin is frozenset:
            return frozenset[Any]()
        if origin is dict:
            return self._table(inner[1])
        return self._model(origin, dict(zip(getattr(origin, "__parameters__", ()), inner, strict=True)))

    def _table(self, kind: Any) -> dict[str, Any]:
        if kind is Mention:
            return {TOKEN: self.of(Mention)}
        evil = self.evil
        if kind is Any:
            card = {"name": evil, "numbers": [evil], "vcard": evil}
            counts = {evil: 2}
            known = {"contacts": [card], "counts": counts, "options": [evil], "left_out": counts}
            return {evil: evil, "starts_at": 1, "latitude": 1.5, "longitude": 2.5, "place": evil, **known}
        return {evil: self.of(kind)}

    def _model(self, model: Any, generics: Mapping[TypeVar, Any]) -> Any:
        hints = _hints(model)
        values = {
            field.name: self._field(hints[field.name], f"{model.__name__}.{field.name}", generics)
            for field in dataclasses.fields(model)
            if not (field.name == "before" and model.__name__ == "LastMessage" and self.variant % 2)
        }
        return model(**_consistent(values))

    def _field(self, hint: Any, where: str, generics: Mapping[TypeVar, Any]) -> Any:
        if generics:
            (parameter, given) = next(iter(generics.items()))
            hint = tuple[given, ...] if hint == tuple[parameter, ...] else hint
        if where == "LastMessage.before":
            later, self.variant = self.variant, self.variant + 1
            before = self.of(hint, where)
            self.variant = later
            return before
        return self.of(hint, where)


def _consistent(values: dict[str, Any]) -> dict[str, Any]:
    """People write in chats; the names of groups and channels are nobody's own."""
    chat = values.get("chat", values.get("jid"))
    if "chat_stranger" in values:
        values["chat_stranger"] = chat == PERSON
        values["sender"] = PERSON if chat == GROUP else chat
    if "unread" in values and "kind" in values and chat is not None:
        values["stranger"] = chat == PERSON
        kinds = {PERSON: ChatKind.DIRECT, CHANNEL: ChatKind.CHANNEL}
        values["kind"] = kinds.get(chat, ChatKind.GROUP)
    return values


class Answers:
    """Answers every method of a protocol with hostile values; `asked` are the calls."""

    def __init__(self, protocol: type, hostile: Hostile) -> None:
        self._protocol = protocol
        self.hostile = hostile

    def __getattr__(self, name: str) -> Any:
        hints = _hints(getattr(self._protocol, name))

        async def method(*args: Any, **kwargs: Any) -> Any:
            return self.hostile.of(hints["return"])

        return method


class HostileArchive(Answers):
    """A `ReadingArchive` of nothing but hostile things."""

    def __init__(self, hostile: Hostile) -> None:
        super().__init__(ReadingArchive, hostile)

    async def own(self) -> tuple[str, None, str]:
        """Who the owner is."""
        return ME, None, "Me"

    async def messages(self, *args: Any, **kwargs: Any) -> Any:
        """A page; the second one is the last."""
        page = await self.__getattr__("messages")()
        return dataclasses.replace(page, next_cursor=None) if kwargs.get("oldest_first") else page

    async def resolve_chat(self, text: str, **_kwargs: Any) -> Any:
        """Chats of the kind that the text names."""
        found = await self.__getattr__("resolve_chat")()
        jid = {"group": GROUP, "community": COMMUNITY}.get(text, PERSON)
        return tuple(dataclasses.replace(each, chat=chat_at(each.chat, jid)) for each in found)

    async def likelier_chats(self, *args: Any) -> Any:
        """Chats because of which nothing is sent; in some worlds there are none."""
        return await self.__getattr__("likelier_chats")(*args) if self.hostile.variant == 17 else ()


def chat_at(chat: Chat, jid: str) -> Chat:
    """The same chat elsewhere."""
    return Chat(
        **_consistent({**{f.name: getattr(chat, f.name) for f in dataclasses.fields(chat)}, "jid": jid})
    )


class HostileDevice(ByName):
    """A `Device` that is told nothing but hostile things."""

    def __init__(self, hostile: Hostile) -> None:
        self.hostile = hostile

    async def perform(
        self, operation: Operation, arguments: dict[str, Any], has_ended: Callable[[], bool] = never
    ) -> Any:
        """Answer; a file is one of this machine."""
        if operation.name == "download":
            return self.hostile.file
        return self.hostile.of(get_type_hints(operation.function, localns={operation.part: object})["return"])
