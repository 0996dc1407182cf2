"""`Work`: one import while it runs, under its number."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

import anyio

from whatsapp_mcp.archive import Archive, exchange
from whatsapp_mcp.device.stored_files import StoredFiles
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.features.imports.requests import ImportProgress, ImportRequest, ImportStep
from whatsapp_mcp.models import ImportRecord, ImportReport, ImportSource, ImportState
from whatsapp_mcp.settings import AccountFolder, CurrentSettings


class Job(Protocol):
    """An import as the queue knows it."""

    def tell(self, change: Callable[[ImportProgress], ImportProgress]) -> None:
        """The progress changes."""
        ...

    @property
    def is_cancelled(self) -> bool:
        """True if a person cancelled the import; any other cancellation is the end of its leader."""
        ...


@dataclass(frozen=True, slots=True)
class Work:
    """One import.

    Attributes:
        folder: The account's files.
        archive: Where to.
        settings: The largest file, and the person's zone.
        request: What is wanted.
        job: Hears how far it is.
        stored: Keeps files elsewhere as well.
    """

    folder: AccountFolder
    archive: Archive
    settings: CurrentSettings
    request: ImportRequest
    job: Job
    stored: StoredFiles

    def at(self, step: ImportStep, *, done: int = 0, total: int = 0) -> None:
        """A step begins."""
        self.job.tell(lambda now: replace(now, step=step, done=done, total=total))

    def brought(self, report: ImportReport, looked_at: int = 0) -> None:
        """So many messages or files were looked at, and this came of it."""
        self.job.tell(lambda now: replace(now, done=now.done + looked_at, report=now.report + report))

    @asynccontextmanager
    async def numbered(
        self, source: ImportSource, file: str, fingerprint: bytes, chat: str | None = None
    ) -> AsyncIterator[ImportRecord]:
        """Yield the record of the import and store how it ends; a dry run is number 0, and stored nowhere.

        Args:
            source: What wrote the file.
            file: Its name.
            fingerprint: The same for the same file: an import of it that did not come to its end goes on.
            chat: Jid of the chat that it is; None where the file names its chats.
        """
        if self.request.dry_run:
            self.job.tell(lambda now: replace(now, source=source))
            yield ImportRecord(0, source, file, chat, datetime.now(UTC))
            return
        record = await self.archive.write(exchange.import_begun, source, file, fingerprint, chat)
        number = record.number
        self.job.tell(lambda now: replace(now, source=source, numbers=(*now.numbers, number)))
        self.brought(record.report)
        try:
            yield record
        except WhatsAppError as error:
            await self.archive.write(exchange.import_ended, number, ImportState.FAILED, said(error))
            raise
        except anyio.get_cancelled_exc_class():
            if self.job.is_cancelled:
                with anyio.CancelScope(shield=True):
                    await self.archive.write(exchange.import_ended, number, ImportState.CANCELLED, None)
            raise
        await self.archive.write(exchange.import_ended, number, ImportState.DONE, None)


def said(error: WhatsAppError) -> str:
    """Return what happened, and what to do."""
    return f"{error.message} {error.action}".strip()
