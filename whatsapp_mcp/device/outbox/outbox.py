"""The outbox: sends that were accepted, in the order in which they go to WhatsApp.

An accepted send is a row of the archive before anything else happens (`acceptance.py`), so it survives every
process. One line per chat keeps the order (`lines.py`); `deliveries.py` hands each send over.

A send that was handed over and not answered is `unknown`. The delivery evidence (`delivery_evidence.py`) then
says one of two things. Either that it never went out: it goes back to the queue, ahead of what was accepted
after it. Or its id: from there on whatever names the message settles the send (the archive does, when it
comes in). A change of a message that changes nothing the second time goes back to the queue in any case.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import anyio
from anyio.abc import TaskGroup

from whatsapp_mcp.archive import Archive, UnappliedError, outbox
from whatsapp_mcp.device.clock import Clock
from whatsapp_mcp.device.operations import never, nothing
from whatsapp_mcp.device.outbox.acceptance import KEPT_FOR, Acceptance
from whatsapp_mcp.device.outbox.deliveries import Deliveries, Obstacle, Sender
from whatsapp_mcp.device.outbox.delivery_evidence import DeliveryEvidence
from whatsapp_mcp.device.outbox.lines import Lines, Pacer, is_late
from whatsapp_mcp.device.outbox.outcomes import Outcomes, nobody
from whatsapp_mcp.device.outbox.unknown_sends import ENDED, UnknownSends, is_open
from whatsapp_mcp.errors import (
    Busy,
    InvalidArgument,
    MessageNotFound,
    NotConnected,
    NotLinked,
    SendUnknown,
    WhatsAppError,
    cause,
)
from whatsapp_mcp.models import (
    CALL_KEY,
    CANCELLED,
    AlbumContent,
    Authorship,
    OutboxEntry,
    SendRequest,
    SendResult,
    SendStatus,
)

_LOOK_AGAIN: Final = 15.0

_ENDING: Final = 1.0
"""Seconds in which a process that cancels its calls is gone."""

logger = logging.getLogger(__name__)


class Outbox:
    """Takes sends, hands them over in order and knows their outcome.

    Args:
        sender: Makes messages and gives them to the current client.
        evidence: What the client library knows of earlier messages.
        online: Whether the connection is up.
        linked: Whether a phone is linked.
        unavailable: Why the connection is down, and what to do.
        rests: Whether it stays down until somebody acts: then nobody waits for an outcome.
        knows_replies: Whether what came while the connection was down is known, before which nothing goes out
            that a reply forbids.
        pacer: Keeps sends to different chats apart; None does not.
        refused: Hears why a send was refused.
        keep: Has files kept before the send that names them is accepted (`StoredFiles.keep`).
    """

    def __init__(
        self,
        archive: Archive,
        clock: Clock,
        sender: Sender,
        evidence: DeliveryEvidence,
        *,
        online: Callable[[], bool],
        linked: Callable[[], bool],
        unavailable: Callable[[], WhatsAppError],
        rests: Callable[[], bool] = never,
        knows_replies: Callable[[], bool] = lambda: True,
        pacer: Pacer | None = None,
        refused: Callable[[WhatsAppError], Awaitable[None]] = nobody,
        keep: Callable[[Iterable[str]], Awaitable[None]] | None = None,
    ) -> None:
        self._archive = archive
        self._clock = clock
        self._evidence = evidence
        self._online = online
        self._linked = linked
        self._unavailable = unavailable
        self._rests = rests
        self._wake = anyio.Event()
        self._given_up: list[tuple[int, Callable[[], bool]]] = []
        self._outcomes = Outcomes(archive, clock, evidence, refused)
        self._deliveries = Deliveries(archive, clock, sender, evidence, self._outcomes, self.wake)
        self._lines = Lines(
            archive,
            clock,
            evidence,
            self._deliveries,
            self.wake,
            online=online,
            knows_replies=knows_replies,
            pacer=pacer,
        )
        self._acceptance = Acceptance(
            archive,
            clock,
            self._deliveries,
            self._lines,
            self.wake,
            online=online,
            linked=linked,
            unavailable=unavailable,
            keep=keep,
        )
        self._unknown_sends = UnknownSends(archive, evidence, self._outcomes, self._deliveries.take_back)

    def look_at(self, obstacle: Obstacle) -> None:
        """Have each send that was queued looked at before it is handed over."""
        self._deliveries.obstacle = obstacle

    @property
    def last_sent_at(self) -> datetime | None:
        """When WhatsApp last took a send."""
        return self._outcomes.last_sent_at

    @property
    def ends(self) -> Counter[str]:
        """Number of sends that ended in each state."""
        return self._outcomes.ends

    async def submit(
        self,
        request: SendRequest,
        *,
        authorship: Authorship | None = None,
        has_ended: Callable[[], bool] = never,
        begin: Callable[[], Awaitable[None]] = nothing,
    ) -> SendResult:
        """Accept a send and wait for its outcome, up to `request.wait` seconds.

        A caller that is cancelled takes back what is still queued. One that ends does not: neither this
        process nor the one for which it asks (`has_ended`).

        Args:
            request: What is sent.
            authorship: For whom, and whose words it may repeat; None: the leader itself.
            has_ended: Whether the process that asks is gone.
            begin: What has to be done before it is accepted; what it raises is raised.
        """
        if self._rests():
            request = replace(request, wait=0.0)
        result = await self._submitted(request, authorship, has_ended, begin)
        if result.status is SendStatus.QUEUED and not self._online() and result.reason is None:
            why = self._unavailable()
            result = replace(result, reason=f"{why.message} {why.action}")
        return result

    async def _submitted(
        self,
        request: SendRequest,
        authorship: Authorship | None,
        has_ended: Callable[[], bool],
        begin: Callable[[], Awaitable[None]],
    ) -> SendResult:
        try:
            entry, is_new = await self._acceptance.accept(request, authorship, begin)
        except UnappliedError as error:
            raise SendUnknown(
                "The send was accepted, and the archive cannot be written yet: it goes out once it can.",
                "Tell the user to look at the disk's free space. Do not send it again.",
            ) from error
        except sqlite3.Error as error:
            raise Busy(
                f"The send could not be accepted: the archive cannot be written ({cause(error)}).",
                "Tell the user to look at the disk's free space, then try again.",
            ) from error
        deadline = self._clock.now() + timedelta(seconds=max(0.0, request.wait))
        if entry.status not in {SendStatus.QUEUED, SendStatus.SENDING} and not is_open(entry):
            return await self._with_files(entry, deadline)
        with self._outcomes.callers.waiting(entry.send_id) as caller:
            try:
                with self._clock.limit(max(0.0, request.wait)):
                    await caller.settled.wait()
            except BaseException:
                if is_new or (request.idempotency_key or "").startswith(CALL_KEY):
                    self._given_up.append((entry.send_id, has_ended))
                    self._wake.set()
                raise
        if is_new and caller.refusal is not None:
            raise caller.refusal
        return await self._with_files(
            caller.settled_as or await self._archive.outbox_get(entry.send_id), deadline
        )

    async def _with_files(self, entry: OutboxEntry, deadline: datetime) -> SendResult:
        """Return the result of a send; for an album, once its files are settled or the deadline passes."""
        if not isinstance(entry.request.content, AlbumContent):
            return entry.result
        self._wake.set()
        for file in await self._archive.outbox_album(entry.send_id):
            left = deadline - self._clock.now()
            await self._settled(file.send_id, left.total_seconds())
        return await self._archive.outbox_result(entry.send_id)

    async def hold(
        self,
        request: SendRequest,
        until: datetime | None,
        authorship: Authorship | None = None,
        obstacle: WhatsAppError | None = None,
    ) -> OutboxEntry:
        """Accept a send that waits for a person's yes until then; one with the same key is answered as it is.

        Args:
            request: What is sent.
            until: When it ends; None: it is allowed already, and waits for its moment.
            authorship: As of `submit`.
            obstacle: Why no new one can be accepted.

        Raises:
            WhatsAppError: As `submit`.
        """
        obstacle = obstacle if self._linked() else self._unavailable()
        await self._acceptance.keep_files(request)
        held = until is not None
        entry, _ = await self._archive.write(
            outbox.add,
            request,
            principal=authorship.caller.principal if authorship else "",
            expires_at=until,
            obstacle=obstacle,
            held=held,
            scheduling=authorship,
        )
        return entry

    async def due(self, send_id: int, until: datetime) -> None:
        """The moment of a scheduled send has come: it goes out, until then at the latest.

        Raises:
            InvalidArgument: It is not scheduled.
        """
        await self._archive.write(outbox.due, send_id, until)
        self._wake.set()

    async def release(self, send_id: int) -> None:
        """A person said yes to a held send, or to the files of an album that failed: it goes out.

        Raises:
            InvalidArgument: It is neither.
        """
        await self._archive.write(outbox.released, send_id, self._clock.now() + KEPT_FOR)
        self._lines.skip_pause((await self._archive.outbox_get(send_id)).request.chat)
        self._wake.set()

    async def cancel(self, send_id: int) -> None:
        """A send that waits shall never go out: who asked for it, or the person, has changed their mind.

        Raises:
            InvalidArgument: It waits no more.
        """
        ended = await self._archive.write(outbox.withdrawn, send_id, CANCELLED)
        self._outcomes.callers.settle(send_id, ended)

    def forget(self, send_ids: Iterable[int]) -> None:
        """Tell whoever waits for sends that they were deleted with their chat."""
        for send_id in send_ids:
            gone = MessageNotFound("Its chat was deleted here before it went out.", "Tell the user.")
            self._outcomes.callers.settle(send_id, refusal=gone)

    async def refuse(self, send_id: int, error: WhatsAppError) -> None:
        """A held send shall never go out.

        Raises:
            InvalidArgument: It is not held.
        """
        await self._outcomes.withdrawn(await self._archive.outbox_get(send_id), error)

    async def outcome(self, send_id: int, wait: float) -> SendResult:
        """Return what is known of a send after at most `wait` seconds."""
        deadline = self._clock.now() + timedelta(seconds=wait)
        return await self._with_files(await self._settled(send_id, wait), deadline)

    async def _settled(self, send_id: int, wait: float) -> OutboxEntry:
        with self._outcomes.callers.waiting(send_id) as caller:
            entry = await self._archive.outbox_get(send_id)
            if entry.status in {SendStatus.QUEUED, SendStatus.SENDING}:
                with self._clock.limit(max(0.0, wait)):
                    await caller.settled.wait()
                entry = await self._archive.outbox_get(send_id)
        return entry

    async def _withdraw(self, send_id: int, has_ended: Callable[[], bool]) -> None:
        """The caller gave up: what was not yet handed over shall not go out later unseen."""
        # A process that ends cancels its calls first.
        await self._clock.sleep(_ENDING)
        if has_ended():
            return
        try:
            await self._archive.write(
                outbox.withdrawn, send_id, "Cancelled by the caller before it was handed over."
            )
        except (InvalidArgument, MessageNotFound):
            logger.info("outbox: send %d was on its way or settled when its caller gave up", send_id)

    async def recover(self) -> None:
        """Mark sends as unknown that the last leader handed over and that got no answer."""
        for send_id in await self._archive.outbox_quarantine():
            logger.error("outbox: send %d is damaged in the archive and was given up", send_id)
        self._outcomes.last_sent_at = await self._archive.outbox_last_sent()
        for entry in await self._archive.outbox_unsettled():
            if entry.status is SendStatus.SENDING:
                await self._archive.write(outbox.unknown, entry.send_id, entry.reason or ENDED)

    def wake(self) -> None:
        """Look at the outbox again: the connection is up, or something was accepted."""
        self._wake.set()

    async def run(self) -> None:
        """Serve the chats' lines until cancelled."""
        await self.recover()
        try:
            async with anyio.create_task_group() as tasks:
                self._acceptance.tasks = tasks
                try:
                    await self._keep_looking(tasks)
                finally:
                    self._acceptance.tasks = None
        finally:
            self._evidence.close()

    async def _keep_looking(self, tasks: TaskGroup) -> None:
        while True:
            self._wake = anyio.Event()
            while self._given_up:
                tasks.start_soon(self._withdraw, *self._given_up.pop())
            entries = await self._archive.outbox_unsettled()
            if await self._look_for_unknown(entries):
                entries = await self._archive.outbox_unsettled()
            await self._dispatch(entries, tasks)
            with self._clock.limit(_LOOK_AGAIN):
                await self._wake.wait()

    async def _dispatch(self, entries: Collection[OutboxEntry], tasks: TaskGroup) -> None:
        self._deliveries.keep_counts_of({entry.send_id for entry in entries})
        for entry in entries:
            if entry.status is not SendStatus.QUEUED:
                continue
            if not self._linked():
                await self._give_up(entry, _unlinked())
            elif is_late(entry, self._clock.now()) and entry.due_at is not None and entry.reason is None:
                # Too late for its moment: it is decided about once more.
                with suppress(InvalidArgument, MessageNotFound):  # it was handed over or cancelled just now
                    await self._archive.write(outbox.postponed, entry.send_id)
            elif is_late(entry, self._clock.now()):
                what_to_do = None if self._online() else self._unavailable().action
                late = NotConnected("It expired before the connection to WhatsApp came back.", what_to_do)
                await self._give_up(entry, late)
        if not self._linked():
            for entry in await self._archive.scheduled_sends():
                await self._give_up(entry, _unlinked())
        if self._online():
            for chat, entry in self._lines.heads(entries).items():
                if self._lines.claim(chat):
                    tasks.start_soon(self._lines.serve, entry, tasks)

    async def _give_up(self, entry: OutboxEntry, error: WhatsAppError) -> None:
        try:
            await self._outcomes.withdrawn(entry, error)
        except (InvalidArgument, MessageNotFound):
            logger.info("outbox: send %d was handed over or deleted before it was given up", entry.send_id)

    async def _look_for_unknown(self, entries: Iterable[OutboxEntry]) -> bool:
        """Find out what became of sends without an answer, as far as that can be known; whether any was."""
        if not self._linked():
            return False  # the keys are gone
        unknown = [one for one in entries if is_open(one) and one.send_id not in self._deliveries.running]
        for entry in unknown:
            await self._unknown_sends.look_for(entry)
        return bool(unknown)


def _unlinked() -> NotLinked:
    # The next phone may be another person's.
    return NotLinked("The phone was unlinked before it went out.")
