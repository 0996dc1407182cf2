"""The facts that the policy decides on: acts, made of an operation, its arguments and the archive.

They include which messages of the archive carry a file of this computer, and the facts about that file.
A file that came with a message stays that message's, wherever a copy of it lies and however it is named.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from glob import escape
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, cast

import anyio.to_thread

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.files import FileReader
from whatsapp_mcp.device.guard.questions import Asked, Known, Referred
from whatsapp_mcp.device.operations import Operation
from whatsapp_mcp.errors import MessageNotFound
from whatsapp_mcp.files.media_folder import recorded_file
from whatsapp_mcp.media import format_of
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
    Media,
    MessageKey,
    PollContent,
    SendRequest,
    TextContent,
    files_of,
)
from whatsapp_mcp.policy import SCANNED_BYTES, Act, Audience, Effect, digest_of, quoted, text_of_file
from whatsapp_mcp.settings import Settings

_MARKS: Final = (b"{\\rtf", b"<")
"""Prefixes of text that is markup, not what a person sees."""
_CHATS: Final = 3
"""Chats that a question names in which a file came."""


class Looked(NamedTuple):
    """A file of this computer.

    Attributes:
        digest: SHA-256 of its content.
        sizes: Its bytes, and those of the files beside it from which it was made.
        text: Its content as text; None if it is none or too large.
        is_plain: Whether that is what a person sees: markup and formats have to be read.
        size: Its bytes.
        label: What people call its format, with the article; None where it is not known.
    """

    digest: bytes
    sizes: frozenset[int]
    text: str | None
    is_plain: bool
    size: int
    label: str | None

    @property
    def told(self) -> str:
        """Kind and size of the file: `a PDF document, 120 kB`."""
        kind = self.label or ("text" if self.text is not None else "a file of no known kind")
        return f"{kind}, {_in_bytes(self.size)}"


def look_at(path: Path) -> Looked | None:
    """The file; None if it cannot be read."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
            size = file.tell()
            file.seek(0)
            content = file.read(SCANNED_BYTES)
        text = text_of_file(content) if size <= SCANNED_BYTES else None
        known = format_of(content)
        is_plain = text is not None and not content.startswith(_MARKS) and known is None
        beside = path.parent.glob(f"{escape(_origin(path))}.*")
        sizes = frozenset({size, *(one.stat().st_size for one in beside)})
        return Looked(digest, sizes, text, is_plain, size, known.label if known else None)
    except OSError:
        return None


async def messages_with(archive: Archive, path: Path, looked: Looked, not_in: str = "") -> AsyncIterator[int]:
    """The refs of the newest messages that carry a file, but for what this companion sent.

    Args:
        archive: Has them.
        path: Of the file: a copy on its way out is named after what it was made of.
        looked: What it is.
        not_in: Jid of a chat whose messages do not count.
    """
    for ref, recorded in await archive.files_elsewhere(str(path), looked.digest, looked.sizes, not_in):
        if recorded is None:
            yield ref
            continue
        there = recorded_file(archive.folder.media, recorded)
        other = await anyio.to_thread.run_sync(look_at, there)
        if other is not None and (other.digest == looked.digest or other.digest.hex()[:24] == _origin(path)):
            yield ref


async def message_with(archive: Archive, path: Path, looked: Looked, not_in: str = "") -> int | None:
    """The first of `messages_with`; None if there is none."""
    async for ref in messages_with(archive, path, looked, not_in):
        return ref
    return None


async def described_files(archive: Archive, paths: Iterable[str]) -> dict[str, str]:
    """Return a description of each file, by path: kind, size, and the messages that it came with."""
    return {path: await _described(archive, Path(path)) for path in paths}


async def _described(archive: Archive, path: Path) -> str:
    looked = await anyio.to_thread.run_sync(look_at, path)
    if looked is None:
        return "it cannot be read"
    refs = [ref async for ref in messages_with(archive, path, looked)]
    chats: dict[str, str] = {}
    # The oldest first: who sends later what somebody else sent before does not take the place of that chat.
    for ref in reversed(refs):
        message = await archive.message(ref)
        chats.setdefault(message.chat, f"message #{ref} in the chat {quoted(message.chat_name)}")
    if not chats:
        return looked.told
    more = ["messages in other chats"] if len(chats) > _CHATS else []
    return f"{looked.told}, which came with {' and '.join([*islice(chats.values(), _CHATS), *more])}"


def described_media(media: Media) -> str:
    """Describe the file of a message, as far as its sender says."""
    named = f"named {quoted(media.file_name)}" if media.file_name else "without a name"
    return f"{named}: {quoted(media.mime_type or '')}, {_in_bytes(media.size or 0)}, as its sender says"


def _in_bytes(size: int) -> str:
    return f"{size:,} bytes" if size < 10_000 else f"{size / 1000:,.0f} kB"


def _origin(path: Path) -> str:
    """Return what copies of one outgoing file share: the beginning of its SHA-256, in hex."""
    return path.name.partition(".")[0]


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
