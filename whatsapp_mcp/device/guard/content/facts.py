"""The facts that the policy decides on: acts, made of an operation, its arguments and the archive."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import Any, Final, Protocol, cast

import anyio.to_thread

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.files import FileReader
from whatsapp_mcp.device.guard.content.carried_files import described_media
from whatsapp_mcp.device.guard.questions import Asked, Known, Referred
from whatsapp_mcp.device.operations import Operation
from whatsapp_mcp.errors import MessageNotFound
from whatsapp_mcp.models import (
    AlbumContent,
    AlbumFileContent,
    Caller,
    ChatFacts,
    ContactCardContent,
    Content,
    EditContent,
    FileContent,
    ForwardContent,
    LocationContent,
    MessageKey,
    PollContent,
    SendRequest,
    TextContent,
    files_of,
)
from whatsapp_mcp.policy import Act, Audience, Effect, digest_of
from whatsapp_mcp.settings import Settings

_NOT_BOUND: Final = frozenset({"idempotency_key", "wait", "queue", "origin", "photo_origin"})
"""Arguments that are not part of what a person is asked about."""
_PATHS: Final = ("path", "photo")
"""Names of arguments and fields that hold the path of a file."""


class Subject(Protocol):
    """The subject of a feature's request."""

    @property
    def chats(self) -> Sequence[str]:
        """The jids of the chats that it reaches."""
        ...

    async def limited(self, caller: Caller, settings: Settings) -> object:
        """The request, as far as the caller may make it.

        Raises:
            WhatsAppError: The caller may not.
        """
        ...

    async def asked(self) -> Asked:
        """Return the question to a person about the request."""
        ...

    async def digests(self) -> dict[str, str]:
        """Return a digest of each file that the request names, by path; it changes with the file."""
        ...


def subject_of(request: object) -> Subject | None:
    """Return the subject of a feature's request; None for any other request."""
    from whatsapp_mcp.features.imports.subject import import_subject

    subjects: list[Subject | None] = []
    subjects.append(import_subject(request))
    return next(filter(None, subjects), None)


def openers_of_readers() -> list[Callable[[], AbstractAsyncContextManager[FileReader]]]:
    """Opens what reads the documents that are sent, by features."""
    from whatsapp_mcp.features.reading.local_readers import open_document_reader

    openers: list[Callable[[], AbstractAsyncContextManager[FileReader]]] = []
    openers.append(open_document_reader)
    return openers


def reached(operation: Operation, arguments: Mapping[str, Any]) -> list[str]:
    """The jids of the chats and people that an operation reaches or is about, each once."""
    jids: list[str] = []
    for name in operation.declared.reaches:
        value = arguments[name]
        if isinstance(value, SendRequest):
            jids.append(value.chat)
        elif (subject := subject_of(value)) is not None:
            jids += subject.chats
        elif isinstance(value, str):
            jids.append(value)
        elif value is not None:
            jids += value
    return list(dict.fromkeys(jids))


async def acts_of(archive: Archive, operation: Operation, arguments: Mapping[str, Any]) -> list[Act]:
    """The acts that an operation consists of; the strictest decision about one is that about all."""
    chats = [await archive.chat_facts(jid) for jid in reached(operation, arguments)]
    declared, request = operation.declared, arguments.get("request")
    acts = [Act(operation.name, declared.effect, declared.audience, chats, in_chat=declared.in_chat)]
    content = request.content if isinstance(request, SendRequest) else None
    if isinstance(content, TextContent) and content.link_preview:
        acts.append(Act("link_preview", Effect.FETCH, Audience.NOBODY))
    return acts


async def referred(archive: Archive, arguments: Mapping[str, Any]) -> Known:
    """Return what an act depends on besides its arguments: messages, and a feature's question."""
    request, messages = arguments.get("request"), list[Referred]()
    if (subject := subject_of(request)) is not None:
        return Known(asked=await subject.asked())
    if not isinstance(request, SendRequest):
        return Known()
    for key, chat in keys_of(request):
        with suppress(MessageNotFound):
            message = await archive.message(key, chat=chat)
            leaves = message.chat_name if message.chat != request.chat else None
            file = described_media(message.media) if message.media else ""
            messages.append(Referred(message.sender_name, message.kind.value, message.text, leaves, file))
    return Known(messages)


def keys_of(request: SendRequest) -> list[tuple[MessageKey, str | None]]:
    """The messages that a send forwards, changes and answers; with the chat of each, where no ref says it."""
    keys: list[tuple[MessageKey, str | None]] = []
    if isinstance(request.content, ForwardContent):
        keys.append((request.content.ref, None))
    if isinstance(message_id := getattr(request.content, "message_id", None), str):
        keys.append((message_id, request.chat))
    if request.reply_to is not None:
        keys.append((request.reply_to, request.reply_chat or request.chat))
    return keys


def words_of(content: Content) -> list[str]:
    """The texts that a content carries, as an agent wrote them."""
    match content:
        case TextContent() | EditContent():
            return [content.text]
        case FileContent() | AlbumContent() | AlbumFileContent():
            return [text for file in files_of(content) for text in (file.caption, file.file_name or "")]
        case LocationContent():
            return [content.name, content.address]
        case PollContent():
            return [content.question, *content.options]
        case ContactCardContent():
            return [content.name]
        case _:
            return []


async def content_hash(
    operation: Operation, arguments: Mapping[str, Any], chats: Sequence[ChatFacts], known: Known
) -> str:
    """Return a digest of an operation, its chats, its files and the messages that it refers to."""
    dumped = _bound(operation.dump(dict(arguments)))
    dumped["referred"] = known.bound
    return digest_of(operation.name, dumped, chats, await file_digests(arguments))


def _bound(value: Any) -> Any:
    """Return the part of a value that an approval binds: files by their bytes, not by their origin."""
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return {key: _bound(each) for key, each in members.items() if key not in _NOT_BOUND}
    if isinstance(value, list):
        return [_bound(each) for each in cast("list[Any]", value)]
    return value


async def file_digests(arguments: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 of the bytes of every file that arguments name, by path; empty where it cannot be read."""
    digests = {path: await anyio.to_thread.run_sync(_digest, Path(path)) for path in paths_of(arguments)}
    if (subject := subject_of(arguments.get("request"))) is not None:
        digests |= await subject.digests()
    return digests


def paths_of(arguments: Mapping[str, Any]) -> list[str]:
    """Paths of the files that arguments name, but for those of a feature's request."""
    paths = {path for value in arguments.values() for path in _paths(value)}
    return sorted(paths | {str(arguments[name]) for name in _PATHS if arguments.get(name)})


def _paths(value: Any) -> list[str]:
    if isinstance(value, SendRequest):
        return [file.path for file in files_of(value.content)]
    if subject_of(value) is not None:
        return []
    held = value
    return [str(path) for name in _PATHS if (path := getattr(held, name, None))]


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
