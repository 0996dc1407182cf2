"""`Reader`: what a file says, read in a process of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager

from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.features.reading.readers import limits
from whatsapp_mcp.features.reading.readers.options import ReaderOptions, arguments_of
from whatsapp_mcp.features.reading.readers.passages import pieces_in, reading_of, transcribed
from whatsapp_mcp.features.reading.readers.sentences import SAID
from whatsapp_mcp.features.reading.speech.service import Service
from whatsapp_mcp.media.worker import JobResult, Source, Worker, open_worker
from whatsapp_mcp.models import FileReading, ReadingKind
from whatsapp_mcp.processes.child_process import module_command


@asynccontextmanager
async def open_reader(options: ReaderOptions) -> AsyncIterator[Reader]:
    """A reader for as long as the body runs; its process is gone afterwards."""
    program = module_command("whatsapp_mcp.features.reading.readers", *arguments_of(options))
    async with open_worker(program, start_seconds=limits.START_SECONDS, says=SAID) as worker:
        yield Reader(worker, options)


class Reader:
    """Reads one file after the other.

    All methods raise as `Worker.run`: `Unsupported` for what cannot be read, `TooLong` for what is over a
    limit, `Busy` where there is no process to read it.
    """

    def __init__(self, worker: Worker, options: ReaderOptions) -> None:
        self._worker = worker
        self._options = options

    @property
    def pid(self) -> int | None:
        """The number of the process; None while there is none."""
        return self._worker.pid

    @property
    def memory(self) -> int | None:
        """Bytes of memory of the process; None if none is running, and on all systems but Linux."""
        return self._worker.memory

    def paused(self) -> AbstractContextManager[None]:
        """Pause the process, and the clock of its job, while the body runs, where the system allows it."""
        return self._worker.paused()

    async def document(
        self, source: Source, mime_type: str | None = None, file_name: str | None = None
    ) -> FileReading:
        """The text of a document, page by page.

        Args:
            source: Its bytes, or an open file.
            mime_type, file_name: What its sender calls it; they decide only what its content leaves open.
        """
        options = {"mime_type": mime_type or "", "file_name": file_name or ""}
        taken = limits.SCANNED_DOCUMENT if self._options.words else limits.DOCUMENT
        answer = await self._worker.run("read_document", source, options, taken)
        return reading_of(ReadingKind.DOCUMENT, answer)

    async def picture(self, source: Source) -> FileReading:
        """The words in a picture."""
        if not self._options.words:
            raise Unsupported(
                "The words in pictures are not recognised here.",
                "Tell the user that the extra `ocr` does it: pip install 'mcp-server-whatsapp[ocr]'.",
            )
        answer = await self._worker.run("read_picture_words", source, limits=limits.PICTURE)
        return reading_of(ReadingKind.PICTURE, answer)

    async def recording(
        self, source: Source, language: str | None = None, *, duration: float | None = None
    ) -> FileReading:
        """The transcript of a voice note, of audio, or of a video's sound.

        Args:
            source: Its bytes, or an open file.
            language: What is spoken, as ISO 639-1; None: the engine finds out.
            duration: Seconds that its message says it lasts; a recording may cost four times that.
        """
        speech = self._options.speech
        if speech is None:
            raise Unsupported(
                "Speech is not recognised here.",
                "Tell the user that the extra `voice` does it, after `whatsapp-mcp voice install small`.",
            )
        language = language or speech.language
        if speech.service is not None:
            answer = await self._by_service(speech.service, source, language, duration)
        else:
            taken = limits.recording_limits(duration)
            answer = await self._worker.run("transcribe", source, {"language": language}, taken)
        return reading_of(ReadingKind.TRANSCRIPT, answer)

    async def _by_service(
        self, service: Service, source: Source, language: str | None, duration: float | None
    ) -> JobResult:
        """Transcribe with a service: the process extracts the sound of the file, and only that is sent."""
        sound = await self._worker.run("sound_in_pieces", source, {}, limits.sound_limits(duration))
        transcript = await service.transcribe(pieces_in(sound), language)
        return JobResult(*transcribed(transcript, f"{service.model} at {service.host}"))
