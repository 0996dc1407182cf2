"""`whatsapp-mcp link`: from the first QR code to the end of the history sync."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import anyio

from whatsapp_mcp import settings
from whatsapp_mcp.cli.connection.device import SETTLE_LIMIT, settled_status
from whatsapp_mcp.device.connection import until_fetched
from whatsapp_mcp.device.operations import Devices, control
from whatsapp_mcp.errors import InvalidArgument, NotConnected, NotLinked
from whatsapp_mcp.jid import parse_number
from whatsapp_mcp.models import (
    ConnectionState,
    ConnectionStatus,
    HistoryProgress,
    LinkState,
    QrCode,
    Statistics,
)

if TYPE_CHECKING:
    from whatsapp_mcp.server.transports import LinkPage

STATE_WAIT: Final = 1.0
"""Seconds to wait for the next change of the linking state, and between two redraws of what time is left."""
HISTORY_POLL: Final = 0.25
"""Seconds between two queries of the history's progress."""
HISTORY_GRACE: Final = 10.0
"""Seconds without a sign of history after which there is none to wait for."""


class HistorySource(Protocol):
    """The part of the archive that `link` needs."""

    async def history_progress(self) -> HistoryProgress:
        """Return the progress of the phone's history transfer."""
        ...

    async def statistics(self) -> Statistics:
        """Return the statistics of the archive."""
        ...


class LinkReport(Protocol):
    """Reports the steps of linking to a person or to a program."""

    def qr(self, qr: QrCode) -> None:
        """A new QR code; it replaces the one before."""
        ...

    @property
    def lacks_room(self) -> bool:
        """True if a QR code does not fit where it should be shown."""
        ...

    def page(self, url: str) -> None:
        """The URL of a page that shows the QR codes, to one browser."""
        ...

    def code(self, code: str, expires_at: datetime | None) -> None:
        """The pairing code to type on the phone, and until when it is valid."""
        ...

    def tick(self) -> None:
        """About a second has passed, and the phone has not taken the code yet."""
        ...

    def linked(self, status: ConnectionStatus, *, already: bool = False) -> None:
        """The phone has linked this device, or had done so before."""
        ...

    def history(self, progress: HistoryProgress) -> None:
        """Report how much of the first history has arrived."""
        ...

    def synced(self, messages: int, chats: int) -> None:
        """The first history has come, or there is none: so much is in the archive."""
        ...


def check(account: str, phone: str | None) -> None:
    """Find out what stands in the way before anybody is warned or asked for anything.

    Raises:
        InvalidArgument: The number is none, the settings are wrong, the account cannot have this name, or its
            folder cannot be made.
    """
    if phone is not None:
        parse_number(phone)
    settings.load().account_folder(account).create()


async def link(
    devices: Devices,
    archive: HistorySource,
    phone: str | None,
    report: LinkReport,
    settle: float = SETTLE_LIMIT,
) -> None:
    """Link a phone and wait for its first history; a phone linked before and online counts as linked.

    Args:
        devices: The account's device.
        archive: The account's archive.
        phone: E.164 number to link by pairing code, None to link by QR code.
        report: Receives every step.
        settle: Seconds that the connection of a phone linked before has to come up.

    Raises:
        NotLinked: No phone took the code.
        NotConnected: WhatsApp was not reached.
        WhatsAppError: Whatever else went wrong.
    """
    # The archive keeps the time of a chunk in whole seconds.
    since = datetime.now(UTC).replace(microsecond=0)
    await settled_status(devices, settle)
    linked_now = await _pair(devices, phone, report)
    await _follow_history(devices, archive, since, HISTORY_GRACE if linked_now else 0.0, report)
    await until_fetched(devices)
    archived = await archive.statistics()
    report.synced(archived.messages, archived.chats)


async def _pair(devices: Devices, phone: str | None, report: LinkReport) -> bool:
    """Pair with the phone; False when one was linked before."""
    try:
        async with devices.use() as device:
            state = await device.do(control.link, phone)
    except InvalidArgument:
        # A leader does not link a phone where one is linked; the status tells which one.
        status = await _status(devices)
        if status.number is None:
            raise
        if status.state is not ConnectionState.ONLINE:
            raise _unreached(status) from None
        if phone is not None and parse_number(phone).number != status.number:
            raise InvalidArgument(
                f"This account is linked already, to {status.number}.",
                "Link another phone to another account: --account NAME.",
            ) from None
        report.linked(status, already=True)
        return False
    async with _Page(report) as page:
        shown: QrCode | str | None = None
        while not state.is_over:
            if state.code is not None and state.code != shown:
                shown = state.code
                report.code(state.code, state.code_expires_at)
            elif state.code is None and state.qr is not None and state.qr != shown:
                shown = state.qr
                report.qr(state.qr)
            await page.show(state)
            state = await _next(devices, state)
            if state.state is ConnectionState.LINKING:
                report.tick()
        await page.show(state)
        if state.state is not ConnectionState.ONLINE:
            raise NotLinked(state.reason or "No phone was linked.", "Run `whatsapp-mcp link` again.")
        report.linked(await _status(devices))
    return True


class _Page:
    """The page of linking in a browser, opened once the report has no room for a code."""

    def __init__(self, report: LinkReport) -> None:
        self._report = report
        self._open = AsyncExitStack()
        self._page: LinkPage | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: Any) -> None:
        await self._open.__aexit__(*raised)

    async def show(self, state: LinkState) -> None:
        """Let the page follow."""
        if self._page is None and self._report.lacks_room:
            from whatsapp_mcp.server.transports import serve_link_page

            self._page, url = await self._open.enter_async_context(serve_link_page())
            self._report.page(url)
        if self._page is not None:
            self._page.state = state


def _unreached(status: ConnectionStatus) -> NotConnected:
    """A phone was linked before, and its connection is not up."""
    who = f"{status.name} ({status.number})" if status.name else status.number
    what = f"the connection is {status.state}" if status.state.traits.rests else "WhatsApp was not reached"
    reason = f" {status.reason}" if status.reason else ""
    return NotConnected(
        f"Linked as {who}, but {what}.{reason}", status.action or "See `whatsapp-mcp status --wait`."
    )


async def _next(devices: Devices, state: LinkState) -> LinkState:
    # The leader keeps the call for STATE_WAIT; the rest is for the way there and back.
    async with devices.use(STATE_WAIT + 5) as device:
        return await device.do(control.link_state, state.revision, STATE_WAIT)


async def _status(devices: Devices) -> ConnectionStatus:
    async with devices.use() as device:
        return await device.do(control.status)


async def _follow_history(
    devices: Devices, archive: HistorySource, since: datetime, grace: float, report: LinkReport
) -> None:
    """Report progress until the history is complete and archived, or nothing has come for `grace` seconds."""
    latest: HistoryProgress | None = None
    deadline = anyio.current_time() + grace
    while True:
        progress = await archive.history_progress()
        catching_up = (await _status(devices)).catching_up
        fresh = progress.last_chunk_at is not None and progress.last_chunk_at >= since
        if fresh and progress != latest:
            latest = progress
            report.history(progress)
            deadline = anyio.current_time() + grace
        if not catching_up and ((fresh and progress.done) or anyio.current_time() >= deadline):
            return
        await anyio.sleep(HISTORY_POLL)
