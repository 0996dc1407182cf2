"""`ReadingLoop`: reads the files that are here, one at a time, what somebody asks for before all others.

What waits is asked of the archive each time, as by `Keeper`: a process that ends loses nothing but the
reading that was under way. A file that ends the reading process costs an attempt; after the second it is
left alone, in whichever message it comes again, and after two more that somebody asked for, for good.

What was refused, or has ended the reader, is kept in the archive by its content: a restart forgives nothing,
and no copy is read without end. A newer version may read what this one cannot.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread

from whatsapp_mcp import __version__
from whatsapp_mcp.archive import recording
from whatsapp_mcp.device.clock import within
from whatsapp_mcp.device.files.readers import readable
from whatsapp_mcp.device.files.waiting import GATHER, LOOK, since
from whatsapp_mcp.device.supervise import contained
from whatsapp_mcp.errors import (
    Busy,
    DeadlineExceeded,
    TooLong,
    Unsupported,
    WhatsAppError,
    from_payload,
)
from whatsapp_mcp.models import FileStep, MessageKind, ReadingKind

if TYPE_CHECKING:
    from pathlib import Path

    from whatsapp_mcp.archive import Archive
    from whatsapp_mcp.device.clock import Clock
    from whatsapp_mcp.device.files.fetcher import Fetcher
    from whatsapp_mcp.device.files.readers import FileReader, Readers
    from whatsapp_mcp.errors import WhatsAppError
    from whatsapp_mcp.models import FileReading, FileTask, MediaSource, Message
    from whatsapp_mcp.settings import CurrentSettings

TRIES: Final = 2
"""A killed process looks like a file that crashed it: only what happens twice is the file's."""
ASKED_TRIES: Final = 4
"""Most tries of a content, in all of its copies together, if somebody asks for it."""
_MOST: Final = 500
"""Contents that are remembered, of which the one that was refused longest ago goes first."""
_KEY: Final = "refused_files"
ANSWER_WITHIN: Final = 50.0
"""Seconds in which somebody who asks for a reading is answered; it goes on after that."""
GRACE: Final = 5.0
"""Seconds that a reading which nobody asked for may go on while somebody waits."""
CALM: Final = 0.5
"""Seconds without a message after which a file that nobody asked for is read on: receiving goes before."""
UNREST: Final = 30.0
"""Seconds that such a file waits for that, before it is begun and again in the middle."""
MOST_ASKED: Final = 32
"""Readings that may be asked for at a time."""
_CANDIDATES: Final = 500
"""Files that are looked at for one that can be read here."""


async def digest_of(path: Path) -> str:
    """Return the SHA-256 digest of a file's content, in hexadecimal."""

    def settings_hash() -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    return await anyio.to_thread.run_sync(settings_hash)


class Refusals:
    """The contents of an account that were refused, with how often and why."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    async def tries(self, digest: str) -> int:
        """Return the number of times this content was refused."""
        refusal = (await self._load()).get(digest)
        return 0 if refusal is None else int(refusal["tries"])

    async def require_worth(self, digest: str, most: int) -> None:
        """Check that a content was refused fewer than `most` times.

        Raises:
            WhatsAppError: As it was refused the last time.
        """
        refusal = (await self._load()).get(digest)
        if refusal is not None and int(refusal["tries"]) >= most:
            raise from_payload(refusal["error"])

    async def note(self, digest: str, error: WhatsAppError) -> None:
        """Remember that a content was refused once more."""
        known = await self._load()
        tries = int(known.pop(digest, {"tries": 0})["tries"]) + 1
        known[digest] = {"tries": tries, "error": error.to_payload()}
        await self._save(dict(list(known.items())[-_MOST:]))

    async def forget(self, digest: str) -> None:
        """Forget a content that was read after all."""
        known = await self._load()
        if known.pop(digest, None) is not None:
            await self._save(known)

    async def _load(self) -> dict[str, Any]:
        text = await self._archive.meta_get(_KEY)
        stored: dict[str, Any] = json.loads(text) if text else {}
        return dict(stored["files"]) if stored.get("version") == __version__ else {}

    async def _save(self, files: dict[str, Any]) -> None:
        await self._archive.write(
            recording.meta_set, _KEY, json.dumps({"version": __version__, "files": files})
        )


logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Ask:
    """A reading that somebody waits for."""

    ref: int
    path: Path
    done: anyio.Event = field(default_factory=anyio.Event)
    error: WhatsAppError | None = None


class ReadingLoop:
    """Reads one file after the other.

    Args:
        readers: Says what can read here now; asked every minute, since an engine may be installed.
    """

    def __init__(
        self,
        archive: Archive,
        fetcher: Fetcher,
        settings: CurrentSettings,
        clock: Clock,
        readers: Callable[[], Readers],
    ) -> None:
        self._archive = archive
        self._fetcher = fetcher
        self._settings = settings
        self._clock = clock
        self._readers_now = readers
        self._refusals = Refusals(archive)
        self._readers: Readers | None = None
        self._readers_until = 0.0
        self._reader: FileReader | None = None
        self._wake = anyio.Event()
        self._asked = anyio.Event()
        self._asks: dict[int, _Ask] = {}
        self._waiting: list[FileTask] = []
        self._look_at = 0.0
        self._heard = -CALM
        self._message = anyio.Event()

    @property
    def memory(self) -> int | None:
        """Bytes of memory of the reading process; None while there is none."""
        return self._reader.memory if self._reader else None

    def wake(self) -> None:
        """Something was archived or fetched: see whether there is a file to read."""
        self._heard = self._clock.monotonic()
        self._message.set()
        self._wake.set()

    @property
    def kinds(self) -> frozenset[MessageKind]:
        """Messages whose files can be read here; of documents some."""
        there = self._readers.kinds if self._readers else ()
        return frozenset(kind for kind in MessageKind if readable(kind, None, None) in there)

    async def read(self, ref: int) -> None:
        """Fetch and read the file of a message now, whoever sent it; returns at once if that was done before.

        Raises:
            Unsupported: There is nothing to read in it, or nothing here that reads it.
            DeadlineExceeded: It takes longer than a caller waits; it goes on.
            WhatsAppError: What fetching or reading it raised.
        """
        if await self._archive.reading(ref) is not None:
            return
        await self._require_readable(ref)
        with self._clock.limit(ANSWER_WITHIN) as limit:
            ask = self._ask(ref, await self._fetcher.fetch(ref))
            await ask.done.wait()
            if ask.error is not None:
                raise from_payload(ask.error.to_payload())  # each who waits gets one of its own
        if limit.cancelled_caught:
            raise DeadlineExceeded("The file is still being read.", "Call again in a minute.")

    async def _require_readable(self, ref: int) -> None:
        source = await self._archive.media_source(ref)
        message = await self._archive.message(ref)
        kind = readable(message.kind, source.mime_type, source.file_name)
        if kind is None:
            raise Unsupported("Files of this kind are not read.", "Get the file with download_media.")
        if self._readers is None or kind not in self._readers.kinds:
            now = await anyio.to_thread.run_sync(self._readers_now)
            if kind not in now.kinds:
                raise now.missing(kind)
            self._readers_until = 0.0

    def _ask(self, ref: int, path: Path) -> _Ask:
        if ref not in self._asks and len(self._asks) >= MOST_ASKED:
            raise Busy("Too many files are waiting to be read.")
        ask = self._asks.setdefault(ref, _Ask(ref, path))
        self._wake.set()
        self._asked.set()
        return ask

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            self._readers = await anyio.to_thread.run_sync(self._readers_now)
            self._readers_until = self._clock.monotonic() + LOOK
            async with self._readers.open() as self._reader:
                try:
                    while not await self._are_others(self._readers):
                        await self._turn(self._reader, self._readers)
                finally:
                    self._reader = None

    async def _are_others(self, readers: Readers) -> bool:
        """Return whether the available readers have changed; look at most once a minute."""
        now = self._clock.monotonic()
        if now < self._readers_until:
            return False
        self._readers_until = now + LOOK
        return await anyio.to_thread.run_sync(self._readers_now) != readers

    async def _turn(self, reader: FileReader, readers: Readers) -> None:
        """Read one file, or wait until there may be one."""
        if self._asks:
            await self._answer(reader, next(iter(self._asks.values())))
            return
        if not await self._is_calm(UNREST):
            return
        if not self._waiting or (self._wake.is_set() and self._clock.monotonic() >= self._look_at):
            self._wake = anyio.Event()
            self._waiting = await self._look(readers)
            self._look_at = self._clock.monotonic() + GATHER
        if self._waiting:
            await self._read_unasked(reader, self._waiting.pop(0).ref)
        else:
            await within(self._clock, LOOK, self._wake.wait)
            await within(self._clock, self._look_at - self._clock.monotonic(), self._asked.wait)

    async def _look(self, readers: Readers) -> list[FileTask]:
        """The files that may be read without being asked for, newest first."""
        self._asked = anyio.Event()
        if not self._settings.now().media.read:
            return []
        now = self._clock.now()
        tasks = await self._archive.files_to_read(
            self.kinds, since(now), int(now.timestamp() * 1000), _CANDIDATES
        )
        return [
            task for task in tasks if readable(task.kind, task.mime_type, task.file_name) in readers.kinds
        ]

    async def _answer(self, reader: FileReader, ask: _Ask) -> None:
        try:
            await contained(
                "files: a reading that was asked for",
                partial(self._read, reader, ask.ref, ask.path, ASKED_TRIES),
                lambda: Busy("What was read cannot be stored at the moment."),
            )
        except WhatsAppError as error:
            ask.error = error
        finally:
            del self._asks[ask.ref]
            ask.done.set()

    async def _read_unasked(self, reader: FileReader, ref: int) -> None:
        """Read a file that nobody waits for; who asks for another one waits `GRACE` seconds at most."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._give_way, ref, tasks.cancel_scope)
            tasks.start_soon(self._pause_meanwhile, reader)
            try:
                if path := await self._fetcher.here(ref):
                    await self._read(reader, ref, path)
                else:
                    await self._archive.write(recording.record_media_path, ref, None)
            except WhatsAppError as error:
                logger.info("files: #%d could not be read: %s", ref, error.code)
                if isinstance(error, Busy):  # perhaps of no file
                    await within(self._clock, GRACE, self._asked.wait)
            tasks.cancel_scope.cancel()

    async def _pause_meanwhile(self, reader: FileReader) -> None:
        """While messages come, pause the reader in the middle of its file."""
        left = UNREST
        while left > 0 and not self._asks:
            self._message = anyio.Event()
            await self._message.wait()
            began = self._clock.monotonic()
            with reader.paused():
                await self._is_calm(left)
            left -= self._clock.monotonic() - began

    async def _is_calm(self, at_most: float) -> bool:
        """Wait until no messages come, so many seconds; False as soon as somebody asks for a file."""
        latest = self._clock.monotonic() + at_most
        while not self._asks:
            pause = min(self._heard + CALM, latest) - self._clock.monotonic()
            if pause <= 0:
                return True
            self._asked = anyio.Event()
            await within(self._clock, pause, self._asked.wait)
        return False

    async def _give_way(self, ref: int, scope: anyio.CancelScope) -> None:
        while not self._asks.keys() - {ref}:
            self._asked = anyio.Event()
            await self._asked.wait()
        await self._clock.sleep(GRACE)
        scope.cancel()

    async def _read(self, reader: FileReader, ref: int, path: Path, tries: int = TRIES) -> None:
        """Read one file, unless that was done meanwhile, and write down what came of it.

        Args:
            reader: Reads it.
            ref: Of its message.
            path: Where it is.
            tries: How often its content, in whichever message, may have been refused before.

        Raises:
            WhatsAppError: It could not be read, which is noted.
        """
        if await self._archive.reading(ref) is not None:
            return
        message, source = await self._archive.message(ref), await self._archive.media_source(ref)
        kind = readable(message.kind, source.mime_type, source.file_name)
        digest = await contained("files: a reading", partial(digest_of, path), _unreadable)
        try:
            await self._refusals.require_worth(digest, tries)
        except WhatsAppError as error:
            await self._note_problem(ref, error, final=True)
            raise
        try:
            reading = await contained(
                "files: a reading",
                partial(_read_file, reader, kind, path, message, source),
                _unreadable,
            )
        except WhatsAppError as error:
            is_remote = self._readers is not None and kind in self._readers.remote
            is_refusal = isinstance(error, Unsupported | TooLong) and not is_remote
            if is_refusal:
                await self._refusals.note(digest, error)
            is_final = is_refusal and await self._refusals.tries(digest) >= TRIES
            await self._note_problem(ref, error, final=is_final)
            raise
        await self._refusals.forget(digest)
        await self._archive.write(recording.record_reading, ref, reading)

    async def _note_problem(self, ref: int, error: WhatsAppError, *, final: bool) -> None:
        await self._archive.write(
            recording.record_file_problem, ref, FileStep.READ, error.code, error.message, final=final
        )


def _unreadable() -> Unsupported:
    return Unsupported("The file could not be read.", "Get the file with download_media.")


async def _read_file(
    reader: FileReader, kind: ReadingKind | None, path: Path, message: Message, source: MediaSource
) -> FileReading:
    file = await anyio.to_thread.run_sync(path.open, "rb")
    try:
        match kind:
            case ReadingKind.PICTURE:
                return await reader.picture(file)
            case ReadingKind.TRANSCRIPT:
                duration = message.media.duration if message.media else None
                return await reader.recording(file, duration=duration)
            case _:
                return await reader.document(file, source.mime_type, source.file_name)
    finally:
        file.close()
