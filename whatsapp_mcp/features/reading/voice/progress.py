"""Progress of a model's download, for a person or a program."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import asdict
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from whatsapp_mcp.features.reading.speech.hub import Offer as ModelOffer
    from whatsapp_mcp.features.reading.speech.models import Record as ModelRecord


class Progress(AbstractContextManager[Any], Protocol):
    """Progress output of `voice install`; the download runs inside it."""

    def offered(self, offer: ModelOffer) -> None:
        """Show the model that would be fetched."""
        ...

    def advanced(self, here: int, total: int) -> None:
        """So many bytes are here."""
        ...

    def installed(self, record: ModelRecord) -> None:
        """The model is there."""
        ...


class TerminalProgress:
    """Lines on stderr, and a bar where that is a terminal."""

    def __init__(self, out: IO[str]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn, TransferSpeedColumn
        from rich.progress import Progress as Bar

        self._console = Console(file=out, highlight=False)
        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        self._bar = Bar(*columns, console=self._console, transient=True)
        self._task = self._bar.add_task("", total=None)

    def __enter__(self) -> TerminalProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def offered(self, offer: ModelOffer) -> None:
        """Size, origin and revision."""
        host = urlsplit(offer.hub).netloc
        self._say(
            f"The model {offer.name} has {offer.size / 1e6:.0f} MB:"
            f" {offer.repository} at {host}, revision {offer.revision[:12]}."
        )

    def advanced(self, here: int, total: int) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=here, total=total)

    def installed(self, record: ModelRecord) -> None:
        """That it is there."""
        self._say(f"The model {record.name} is installed, revision {record.revision[:12]}.")

    def _say(self, line: str) -> None:
        self._console.print(line, soft_wrap=True, markup=False)


class JsonProgress:
    """One object a line on stdout."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._percent = -1

    def __enter__(self) -> JsonProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def offered(self, offer: ModelOffer) -> None:
        """`{"event": "offer", …}`."""
        self._write(
            {
                "event": "offer",
                "model": offer.name,
                "bytes": offer.size,
                "hub": offer.hub,
                "repository": offer.repository,
                "revision": offer.revision,
            }
        )

    def advanced(self, here: int, total: int) -> None:
        """`{"event": "progress", "bytes": …, "total": …}`, at each percent."""
        percent = 100 * here // max(1, total)
        if percent != self._percent:
            self._percent = percent
            self._write({"event": "progress", "bytes": here, "total": total})

    def installed(self, record: ModelRecord) -> None:
        """`{"event": "installed", …}` with the record."""
        self._write({"event": "installed", **asdict(record)})

    def _write(self, event: dict[str, Any]) -> None:
        self._out.write(json.dumps(event) + "\n")
        self._out.flush()
