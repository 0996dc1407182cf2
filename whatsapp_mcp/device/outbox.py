"""The outbox: sends that were accepted, on their way to WhatsApp.

An accepted send is a row of the archive before anything else happens, so it survives every process. One
line per chat keeps the order. A send that was handed over and not answered is `unknown` and never resent:
only a receipt or the copy from another device settles it (the archive does, when it comes in).
"""

from __future__ import annotations

import logging
import sqlite3
from base64 import b64decode
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup

from whatsapp_mcp.archive import Archive, OutboxEntry
from whatsapp_mcp.device.clock import Clock, within
from whatsapp_mcp.device.compose import CallClient, compose
from whatsapp_mcp.device.supervise import backoff
from whatsapp_mcp.errors import (
    Busy,
    DeadlineExceeded,
    InvalidArgument,
    NotConnected,
    NotLinked,
    SendUnknown,
    WhatsAppError,
)
from whatsapp_mcp.models import SendRequest, SendResult, SendStatus

KEPT_FOR: Final = timedelta(days=1)
"""How long a queued send waits for the link before it fails."""
SEND_DEADLINE: Final = 30.0
"""Seconds after which an unanswered hand-over counts as unknown."""
_LINES: Final = 8
"""Chats that are served at once."""
_LOOK_AGAIN: Final = 15.0
_RETRY_PAUSE: Final = 1.0
_KEEP_ATTEMPTS: Final = 8
"""Then it is left to the outbox's next start, which calls it unknown."""

logger = logging.getLogger(__name__)

HandOver = Callable[[str, str, float], Awaitable[dict[str, Any]]]
"""(jid, message in base64, deadline) to {id, timestamp}."""


class Outbox:
    """Takes sends, hands them over in order and knows their outcome.

    Args:
        hand_over: Gives one message to the current client.
        call: Asks the current client, for what a message needs before it can be handed over.
        online: Whether the link is up.
        linked: Whether a phone is linked.
    """

    def __init__(
        self,
        archive: Archive,
        hand_over: HandOver,
        clock: Clock,
        *,
        call: CallClient,
        online: Callable[[], bool],
        linked: Callable[[], bool],
    ) -> None:
        self._archive = archive
        self._hand_over = hand_over
        self._call = call
        self._clock = clock
        self._online = online
        self._linked = linked
        self._wake = anyio.Event()
        self._lines: set[str] = set()
        self._slots = anyio.Semaphore(_LINES)
        self._settled: dict[int, anyio.Event] = {}
        self._refusals: dict[int, WhatsAppError] = {}
        self.last_sent_at: datetime | None = None

    async def send(self, request: SendRequest) -> SendResult:
        """Accept a send and wait for its outcome, up to `request.wait` seconds; see `Device.send`."""
        if not self._linked():
            raise NotLinked("No phone is linked to this account.")
        if not request.queue and not self._online():
            raise NotConnected("The link to WhatsApp is down and the send may not wait for it.")
        try:
            entry, is_new = await self._archive.outbox_add(request, expires_at=self._expiry(request))
        except sqlite3.Error as error:
            raise Busy(
                f"The send could not be accepted: the archive cannot be written ({error}).",
                "Tell the user to look at the disk's free space, then try again.",
            ) from error
        if _is_settled(entry):
            return entry.result
        settled = self._settled.setdefault(entry.send_id, anyio.Event())
        self._wake.set()
        try:
            await within(self._clock, max(0.0, request.wait), lambda: _wait(settled))
        except BaseException:
            if is_new:
                with anyio.CancelScope(shield=True):
                    await self._withdraw(entry.send_id)
            raise
        finally:
            refusal = self._refusals.pop(entry.send_id, None) if is_new else None
            if settled.is_set() or is_new:
                self._settled.pop(entry.send_id, None)
        if refusal is not None:
            raise refusal
        return (await self._archive.outbox_get(entry.send_id)).result

    def _expiry(self, request: SendRequest) -> datetime:
        kept = KEPT_FOR if request.queue else timedelta(seconds=max(1.0, request.wait))
        return self._clock.now() + kept

    async def _withdraw(self, send_id: int) -> None:
        """The caller gave up: what was not yet handed over shall not go out later unseen."""
        entry = await self._archive.outbox_get(send_id)
        if entry.status is SendStatus.QUEUED:
            await self._archive.outbox_failed(send_id, "Cancelled by the caller before it was handed over.")

    async def recover(self) -> None:
        """What the last host had handed over without an answer is unknown from now on."""
        for entry in await self._archive.outbox_unsettled():
            if entry.status is SendStatus.SENDING:
                await self._archive.outbox_unknown(
                    entry.send_id, "The server ended between handing over and the answer."
                )

    def poke(self) -> None:
        """Look at the outbox again: the link is up, or something was accepted."""
        self._wake.set()

    async def run(self) -> None:
        """Serve the chats' lines until cancelled."""
        await self.recover()
        async with anyio.create_task_group() as tasks:
            while True:
                self._wake = anyio.Event()
                await self._dispatch(tasks)
                await within(self._clock, _LOOK_AGAIN, lambda: _wait(self._wake))

    async def _dispatch(self, tasks: TaskGroup) -> None:
        for entry in await self._archive.outbox_unsettled():
            if entry.status is not SendStatus.QUEUED:
                continue
            if entry.expires_at is not None and entry.expires_at <= self._clock.now():
                await self._fail(entry, NotConnected("It expired before the link to WhatsApp came back."))
            elif self._online() and entry.request.chat not in self._lines:
                self._lines.add(entry.request.chat)
                tasks.start_soon(self._serve, entry.request.chat)

    async def _serve(self, chat: str) -> None:
        """Hand over what is queued for one chat, in order."""
        try:
            async with self._slots:
                while self._online() and (entry := await self._next(chat)) is not None:
                    if not await self._deliver(entry):
                        break
        finally:
            self._lines.discard(chat)
        # Something may have been queued between the last look and now.
        self._wake.set()

    async def _next(self, chat: str) -> OutboxEntry | None:
        for entry in await self._archive.outbox_unsettled():
            if entry.request.chat == chat and entry.status is SendStatus.QUEUED:
                return entry
        return None

    async def _deliver(self, entry: OutboxEntry) -> bool:
        """Hand one over and keep the outcome; False when the line must wait for the link."""
        send_id = entry.send_id
        try:
            message = await compose(entry.request, self._archive, self._call)
        except (NotConnected, Busy):
            await self._clock.sleep(_RETRY_PAUSE)
            return False
        except WhatsAppError as error:
            await self._fail(entry, error)
            return True
        try:
            await self._archive.outbox_sending(send_id)
        except InvalidArgument:
            logger.info("send %d was withdrawn", send_id)
            return True
        except WhatsAppError as error:
            await self._fail(entry, error)
            return True
        try:
            answer = await self._hand_over(entry.request.chat, message, SEND_DEADLINE)
        except (SendUnknown, DeadlineExceeded, Busy) as error:
            await self._archive.outbox_unknown(send_id, error.message)
        except NotConnected:
            await self._archive.outbox_queued(send_id)
            await self._clock.sleep(_RETRY_PAUSE)
            return False
        except WhatsAppError as error:
            await self._fail(entry, error)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._archive.outbox_unknown(
                    send_id, "The server ended between handing over and the answer."
                )
            raise
        else:
            with anyio.CancelScope(shield=True):
                await self._keep_sent(send_id, answer, b64decode(message))
            self.last_sent_at = self._clock.now()
        self._settle(send_id)
        return True

    async def _keep_sent(self, send_id: int, answer: dict[str, Any], message: bytes) -> None:
        """WhatsApp has it: write that down, however long the disk takes to have room."""
        timestamp = datetime.fromtimestamp(int(answer["timestamp"]), UTC)
        for attempt in range(1, _KEEP_ATTEMPTS + 1):
            try:
                await self._archive.outbox_sent(send_id, str(answer["id"]), timestamp, message=message)
            except sqlite3.Error:
                logger.exception("send %d is sent, which cannot be written down yet", send_id)
                await self._clock.sleep(backoff(attempt, 0.5, base=0.2, cap=30.0))
            else:
                return

    async def _fail(self, entry: OutboxEntry, error: WhatsAppError) -> None:
        await self._archive.outbox_failed(entry.send_id, f"{error.code}: {error.message}")
        if entry.send_id in self._settled:
            self._refusals[entry.send_id] = error
        self._settle(entry.send_id)

    def _settle(self, send_id: int) -> None:
        waiting = self._settled.get(send_id)
        if waiting is not None:
            waiting.set()


async def _wait(event: anyio.Event) -> None:
    await event.wait()


def _is_settled(entry: OutboxEntry) -> bool:
    return entry.status not in {SendStatus.QUEUED, SendStatus.SENDING}
