"""The outbox: sends that were accepted, on their way to WhatsApp.

An accepted send is a row of the archive before anything else happens, so it survives every process. One
line per chat keeps the order.

A send that was handed over and not answered is `unknown`. The client library's database (`evidence.py`) then
tells one of two things. Either that it never went out: it goes back to the queue, ahead of what was accepted
after it. Or its id: from there on whatever names the message settles the send (the archive does, when it
comes in). A change of a message that changes nothing the second time goes back to the queue in any case.
"""

from __future__ import annotations

import logging
import sqlite3
from base64 import b64encode
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.clock import Clock, within
from whatsapp_mcp.device.outbox.composing import Composed, needs_nobody
from whatsapp_mcp.device.outbox.delivery_evidence import DeliveryEvidence
from whatsapp_mcp.device.outbox.outcomes import Outcomes
from whatsapp_mcp.device.outbox.unknown_sends import ENDED, UnknownSends, is_open
from whatsapp_mcp.device.supervise import contained
from whatsapp_mcp.errors import (
    Busy,
    DeadlineExceeded,
    InvalidArgument,
    MessageNotFound,
    NotConnected,
    NotLinked,
    Rejected,
    SendUnknown,
    Unsupported,
    WhatsAppError,
    cause,
)
from whatsapp_mcp.models import CALL_KEY, OutboxEntry, SendRequest, SendResult, SendStatus

KEPT_FOR: Final = timedelta(days=1)
"""How long a queued send waits for the link before it fails."""
SEND_DEADLINE: Final = 30.0
"""Seconds after which an unanswered hand-over counts as unknown; its answer is still taken when it comes."""
LAST_ANSWER: Final = 240.0
"""Seconds after which no answer comes any more: the library gives each of its queries 75."""
_AHEAD: Final = 50
"""How many sends of a chat are looked at for the next one."""
_LINES: Final = 8
"""Chats that are served at once."""
_LOOK_AGAIN: Final = 15.0
_RETRY_PAUSE: Final = 1.0

logger = logging.getLogger(__name__)

_ENDING: Final = 1.0
"""Seconds in which a process that cancels its calls is gone."""
_RETURNS: Final = 5
"""How often a send is tried again because the client ended."""
_POISON: Final = "The client ended each time that this was handed to it."
_NOT_PREPARED: Final = partial(
    Unsupported,
    "This server failed while it prepared the message, which was not sent.",
    "Tell the user that the server's log says where; send it in another form.",
)
_NOT_FOLLOWED: Final = partial(SendUnknown, "This server failed while it handed the message over.")

Compose = Callable[[SendRequest], Awaitable[Composed]]
HandOver = Callable[[str, str, str, float], Awaitable[dict[str, Any]]]
"""(jid, message in base64, which client it is for, deadline) to {id, timestamp}."""


class Outbox:
    """Takes sends, hands them over in order and knows their outcome.

    Args:
        hand_over: Gives one message to the current client.
        compose: Makes the message of a request; what it needs of the current client it asks for.
        online: Whether the link is up.
        linked: Whether a phone is linked.
        unavailable: Why the link is down, and what to do.
        evidence: What the client library knows of earlier messages.
        unanswered: Told the chat when a hand-over is not answered in time.
    """

    def __init__(
        self,
        archive: Archive,
        hand_over: HandOver,
        clock: Clock,
        *,
        compose: Compose,
        online: Callable[[], bool],
        linked: Callable[[], bool],
        unavailable: Callable[[], WhatsAppError],
        evidence: DeliveryEvidence,
        unanswered: Callable[[str], Awaitable[None]],
    ) -> None:
        self._archive = archive
        self._hand_over = hand_over
        self._compose = compose
        self._clock = clock
        self._online = online
        self._linked = linked
        self._unavailable = unavailable
        self._evidence = evidence
        self._unanswered = unanswered
        self._wake = anyio.Event()
        self._tasks: TaskGroup | None = None
        self._given_up: list[tuple[int, Callable[[], bool]]] = []
        self._lines: set[str] = set()
        self._line_refused = False
        self._handed_over: set[int] = set()
        self._ended: Counter[int] = Counter()
        self._preparing: dict[int, str] = {}
        self._outcomes = Outcomes(archive, clock, evidence)
        self._unknown_sends = UnknownSends(archive, evidence, self._outcomes, self._take_back)

    @property
    def last_sent_at(self) -> datetime | None:
        """When WhatsApp last took a send."""
        return self._outcomes.last_sent_at

    async def send(
        self, request: SendRequest, *, has_ended: Callable[[], bool] = lambda: False
    ) -> SendResult:
        """Accept a send and wait for its outcome, up to `request.wait` seconds; see `Device.send`.

        A caller that is cancelled takes back what is still queued. One that ends does not: neither this
        process nor the one for which it asks (`has_ended`).
        """
        try:
            entry, is_new = await self._accept(request)
        except sqlite3.Error as error:
            raise Busy(
                f"The send could not be accepted: the archive cannot be written ({cause(error)}).",
                "Tell the user to look at the disk's free space, then try again.",
            ) from error
        if _is_settled(entry):
            return entry.result
        with self._outcomes.callers.waiting(entry.send_id) as caller:
            try:
                await within(self._clock, max(0.0, request.wait), lambda: _wait(caller.settled))
            except BaseException:
                if is_new or (request.idempotency_key or "").startswith(CALL_KEY):
                    self._given_up.append((entry.send_id, has_ended))
                    self._wake.set()
                raise
        if is_new and caller.refusal is not None:
            raise caller.refusal
        return (caller.settled_as or await self._archive.outbox_get(entry.send_id)).result

    async def _accept(self, request: SendRequest) -> tuple[OutboxEntry, bool]:
        """Accept a send, and begin to hand it over if nothing is ahead of it; else the next look finds it.

        What can go out at once is accepted as on its way, with the message made before: one commit, not two.
        """
        tasks, chat = self._tasks, request.chat
        if tasks is None or not self._online() or not needs_nobody(request) or not self._claim(chat):
            accepted = await self._add(request)
            self._wake.set()
            return accepted
        is_served = False
        try:
            prepared = await self._prepared_at_once(request)
            with anyio.CancelScope(shield=True):  # what is accepted as on its way has to go there
                entry, is_new = await self._add(request, prepared)
                if is_new and entry.status is SendStatus.SENDING and prepared is not None:
                    if tasks is self._tasks:
                        tasks.start_soon(self._serve, entry, tasks, prepared)
                        is_served = True
                    else:
                        entry = await self._archive.outbox_queued(entry.send_id)
        finally:
            if not is_served:
                self._lines.discard(chat)
                self._wake.set()
        return entry, is_new  # pyright: ignore[reportPossiblyUnboundVariable]

    async def _prepared_at_once(self, request: SendRequest) -> tuple[Composed, str] | None:
        """The message and the name of its hand-over; None where the line has to find out why not."""
        try:
            return await contained("preparing a send", partial(self._prepare, request), _NOT_PREPARED)
        except WhatsAppError:
            return None

    async def _add(
        self, request: SendRequest, prepared: tuple[Composed, str] | None = None
    ) -> tuple[OutboxEntry, bool]:
        composed, handed_to = prepared or (None, None)
        return await self._archive.outbox_add(
            request,
            expires_at=self._expiry(request),
            obstacle=self._obstacle(request),
            handed_to=handed_to,
            secret=composed.secret if composed else None,
        )

    def _obstacle(self, request: SendRequest) -> WhatsAppError | None:
        """Why a new send cannot be accepted; what the host before had accepted is on its way all the same."""
        accepted = self._linked() and (request.queue or self._online())
        return None if accepted else self._unavailable()

    def _expiry(self, request: SendRequest) -> datetime:
        longest = KEPT_FOR.total_seconds()
        kept = longest if request.queue else min(longest, max(1.0, request.wait))
        return self._clock.now() + timedelta(seconds=kept)

    async def _withdraw(self, send_id: int, has_ended: Callable[[], bool]) -> None:
        """The caller gave up: what was not yet handed over shall not go out later unseen."""
        # A process that ends cancels its calls first.
        await self._clock.sleep(_ENDING)
        if has_ended():
            return
        try:
            await self._archive.outbox_withdrawn(
                send_id, "Cancelled by the caller before it was handed over."
            )
        except (InvalidArgument, MessageNotFound):
            logger.info("send %d was given up when it was on its way or over", send_id)

    async def recover(self) -> None:
        """What the last host had handed over without an answer is unknown from now on."""
        for send_id in await self._archive.outbox_quarantine():
            logger.error("send %d is damaged in the archive and was given up", send_id)
        self._outcomes.last_sent_at = await self._archive.outbox_last_sent()
        for entry in await self._archive.outbox_unsettled():
            if entry.status is SendStatus.SENDING:
                await self._archive.outbox_unknown(entry.send_id, entry.reason or ENDED)

    def poke(self) -> None:
        """Look at the outbox again: the link is up, or something was accepted."""
        self._wake.set()

    async def run(self) -> None:
        """Serve the chats' lines until cancelled."""
        await self.recover()
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                try:
                    await self._keep_looking(tasks)
                finally:
                    self._tasks = None
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
            await within(self._clock, _LOOK_AGAIN, lambda: _wait(self._wake))

    async def _dispatch(self, entries: Collection[OutboxEntry], tasks: TaskGroup) -> None:
        self._keep_counts_of({entry.send_id for entry in entries})
        for entry in entries:
            if entry.status is not SendStatus.QUEUED:
                continue
            if not self._linked():
                # The next phone may be another person's.
                await self._give_up(entry, NotLinked("The phone was unlinked before it went out."))
            elif self._is_late(entry):
                what_to_do = None if self._online() else self._unavailable().action
                late = NotConnected("It expired before the link to WhatsApp came back.", what_to_do)
                await self._give_up(entry, late)
        if self._online():
            for chat, entry in self._heads(entries).items():
                if self._claim(chat):
                    tasks.start_soon(self._serve, entry, tasks)

    def _claim(self, chat: str) -> bool:
        """Begin a chat's line; False if it is served already, or no more can be now.

        Then the next line to end has the outbox looked at again.
        """
        if chat in self._lines or len(self._lines) >= _LINES:
            self._line_refused = True
            return False
        self._lines.add(chat)
        return True

    def _keep_counts_of(self, unsettled: set[int]) -> None:
        """Forget about clients that ended over sends which are settled by now, however that came."""
        for counts in (self._ended, self._preparing):
            for send_id in counts.keys() - unsettled:
                del counts[send_id]

    async def _give_up(self, entry: OutboxEntry, error: WhatsAppError) -> None:
        try:
            await self._outcomes.withdrawn(entry, error)
        except InvalidArgument:
            logger.info("send %d went on its way at the last moment", entry.send_id)

    async def _serve(
        self, entry: OutboxEntry, tasks: TaskGroup, prepared: tuple[Composed, str] | None = None
    ) -> None:
        """Hand over what is queued for one chat, in order, from this one on; it may be `sending` already.

        Args:
            entry: The first.
            tasks: Where hand-overs run that take longer than the line waits for them.
            prepared: The message of the first and the name of its hand-over, if it is `sending`.
        """
        chat, following = entry.request.chat, entry
        try:
            if prepared is not None:
                await self._wait_for_outcome(entry, *prepared, tasks)
                # Nothing was ahead of it; what is behind it was refused a line.
                following = await self._next(chat) if self._line_refused else None
            while following is not None and self._online():
                await self._deliver(following, tasks)
                following = await self._next(chat)
        finally:
            self._lines.discard(chat)
        if self._line_refused:
            # It may have been queued between the last look and now.
            self._line_refused = False
            self._wake.set()

    async def _next(self, chat: str) -> OutboxEntry | None:
        return self._heads(await self._archive.outbox_unsettled(chat=chat, limit=_AHEAD)).get(chat)

    def _heads(self, entries: Iterable[OutboxEntry]) -> dict[str, OutboxEntry]:
        """By chat, what goes out next: nothing while an earlier send may yet come back to the queue."""
        first: dict[str, OutboxEntry] = {}
        for entry in entries:
            may_come_back = is_open(entry) and not self._evidence.is_here(entry.handed_to or "")
            if may_come_back or (entry.status is SendStatus.QUEUED and not self._is_late(entry)):
                first.setdefault(entry.request.chat, entry)
        return {chat: entry for chat, entry in first.items() if entry.status is SendStatus.QUEUED}

    def _is_late(self, entry: OutboxEntry) -> bool:
        return entry.expires_at is not None and entry.expires_at <= self._clock.now()

    async def _look_for_unknown(self, entries: Iterable[OutboxEntry]) -> bool:
        """Find out what became of sends without an answer, as far as that can be known; whether any was."""
        if not self._linked():
            return False  # the keys are gone
        unknown = [one for one in entries if is_open(one) and one.send_id not in self._handed_over]
        for entry in unknown:
            await self._unknown_sends.look_for(entry)
        return bool(unknown)

    async def _take_back(self, entry: OutboxEntry, reason: str | None = None) -> None:
        """It has not gone out, or may once more: it is next, unless it ends every client it is given to."""
        if self._has_ended_too_many(entry.send_id):
            if reason is None:
                await self._outcomes.refused(entry, Rejected(f"{_POISON} It was not sent."))
            else:
                await self._archive.outbox_unknown(entry.send_id, _POISON, traceable=False)
                self._outcomes.callers.settle(entry.send_id)
            return
        logger.info("send %d had not gone out", entry.send_id)
        await self._archive.outbox_queued(entry.send_id, reason, handed_to=entry.handed_to)

    async def _deliver(self, entry: OutboxEntry, tasks: TaskGroup) -> None:
        """Hand one over and wait for its outcome, so that the next one comes after it."""
        prepared = await self._prepared(entry)
        if prepared is None:
            return
        composed, handed_to = prepared
        try:
            await self._archive.outbox_sending(entry.send_id, handed_to=handed_to, secret=composed.secret)
        except (InvalidArgument, MessageNotFound) as error:
            # It was withdrawn, or its row is damaged by now.
            logger.info("send %d goes out no more: %s", entry.send_id, error.code)
            return
        except WhatsAppError as error:
            await self._outcomes.refused(entry, error)
            return
        await self._wait_for_outcome(entry, composed, handed_to, tasks)

    async def _wait_for_outcome(
        self, entry: OutboxEntry, composed: Composed, handed_to: str, tasks: TaskGroup
    ) -> None:
        kept = anyio.Event()
        tasks.start_soon(self._hand_over_and_keep, entry, composed, handed_to, kept)
        if await within(self._clock, SEND_DEADLINE, lambda: _wait(kept)) is None:
            await self._unanswered(entry.request.chat)
            await self._outcomes.unanswered(entry, composed.secret, "WhatsApp has not answered yet.")

    async def _prepared(self, entry: OutboxEntry) -> tuple[Composed, str] | None:
        """The message, and the name of its hand-over; None when it cannot go out now.

        As when it is handed over, a send that ends client after client is given up.
        """
        send_id, client = entry.send_id, self._evidence.here()
        if self._preparing.get(send_id, client) != client and self._has_ended_too_many(send_id):
            await self._outcomes.refused(entry, Rejected(f"{_POISON} It was not sent."))
            return None
        self._preparing[send_id] = client
        prepared = None
        try:
            prepared = await contained(
                f"preparing send {send_id}", partial(self._prepare, entry.request), _NOT_PREPARED
            )
        except (NotConnected, Busy):
            await self._clock.sleep(_RETRY_PAUSE)
            return None
        except WhatsAppError as error:
            await self._outcomes.refused(entry, error)
        self._preparing.pop(send_id, None)
        return prepared

    async def _prepare(self, request: SendRequest) -> tuple[Composed, str]:
        composed = await self._compose(request)
        return composed, await self._evidence.hand_over(request.chat)

    def _has_ended_too_many(self, send_id: int) -> bool:
        """Count one more client that ended over a send; whether it shall get no other."""
        self._ended[send_id] += 1
        if self._ended[send_id] <= _RETURNS:
            return False
        del self._ended[send_id]  # a key that is used again begins anew
        self._preparing.pop(send_id, None)
        return True

    async def _hand_over_and_keep(
        self, entry: OutboxEntry, composed: Composed, handed_to: str, kept: anyio.Event
    ) -> None:
        """Give a message to the client and keep what comes of it, however late that is."""
        send_id = entry.send_id
        message = b64encode(composed.message).decode()
        hand_over = partial(self._hand_over, entry.request.chat, message, handed_to, LAST_ANSWER)
        self._handed_over.add(send_id)
        taken = False
        try:
            answer = await contained(f"handing over send {send_id}", hand_over, _NOT_FOLLOWED)
        except Busy as error:
            # The client ended: the next look at what it has noted decides.
            await self._archive.outbox_unknown(send_id, entry.reason or error.message)
        except (SendUnknown, DeadlineExceeded) as error:
            await self._outcomes.unanswered(entry, composed.secret, error.message)
        except NotConnected:
            await self._archive.outbox_queued(send_id, entry.reason)
            await self._clock.sleep(_RETRY_PAUSE)
        except WhatsAppError as error:
            await self._outcomes.refused(entry, error)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._archive.outbox_unknown(send_id, entry.reason or ENDED)
            raise
        else:
            with anyio.CancelScope(shield=True):
                await self._keep(entry, composed, handed_to, answer)
            taken = True
        finally:
            self._handed_over.discard(send_id)
            kept.set()
            if not taken:
                self._wake.set()

    async def _keep(
        self, entry: OutboxEntry, composed: Composed, handed_to: str, answer: dict[str, Any]
    ) -> None:
        """Write down what WhatsApp answered; while that cannot be done, the outcome is unknown."""
        answered = partial(self._outcomes.answered, entry, handed_to, answer, composed.message)
        try:
            await contained(f"keeping send {entry.send_id}", answered, _NOT_FOLLOWED)
        except WhatsAppError as error:
            await self._outcomes.unanswered(entry, composed.secret, error.message)


async def _wait(event: anyio.Event) -> bool:
    await event.wait()
    return True


def _is_settled(entry: OutboxEntry) -> bool:
    return entry.status not in {SendStatus.QUEUED, SendStatus.SENDING} and not is_open(entry)
