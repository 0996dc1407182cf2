"""A device that has imports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tests.web.site import NOON, PageDevice
from tests.web.world import ANN
from whatsapp_mcp.features.imports.requests import ImportProgress, ImportRequest
from whatsapp_mcp.models import ImportReport, ImportSource, ImportState

IMPORTS: Final = (
    ImportProgress(
        2,
        "broken.zip",
        ImportState.FAILED,
        NOON,
        ended=NOON,
        error="It is no exported chat. Choose another file.",
    ),
    ImportProgress(
        1,
        "Chat with Ann.zip",
        ImportState.DONE,
        NOON,
        numbers=(1,),
        source=ImportSource.CHAT_EXPORT,
        chat=ANN,
        ended=NOON,
        done=40,
        total=40,
        report=ImportReport(1_200, 3, files=38, files_left_out=2),
    ),
)


@dataclass
class ImportingDevice(PageDevice):
    """Notes what the page of imports asks for; `running` are those that it tells."""

    running: tuple[ImportProgress, ...] = ()
    requests: list[ImportRequest] = field(default_factory=list[ImportRequest])

    async def begin_import(self, request: ImportRequest) -> int:
        self._act(f"import {request.path} {request.chat} {request.me}")
        self.requests.append(request)
        return 1

    async def imports(self, ticket: int = 0) -> tuple[ImportProgress, ...]:
        return self.running

    async def cancel_import(self, ticket: int) -> None:
        self._act(f"cancel import {ticket}")

    async def undo_import(self, number: int) -> int:
        self._act(f"undo import {number}")
        return 2
