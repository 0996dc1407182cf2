"""One send on its way: prepared, handed to the client, and what became of it kept.

A send is written down as `sending` before it is handed over, so that a process that takes over later knows
that it may have gone out. What is answered late is kept all the same.
"""

from __future__ import annotations

import logging
from base64 import b64encode
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

import anyio
from anyio.abc import TaskGroup

from whatsapp_mcp.archive import Archive, outbox
from whatsapp_mcp.device.clock import Clock
from whatsapp_mcp.device.outbox.composing import Composed
from whatsapp_mcp.device.outbox.delivery_evidence import DeliveryEvidence
from whatsapp_mcp.device.outbox.outcomes import Outcomes
from whatsapp_mcp.device.outbox.unknown_sends import ENDED
from whatsapp_mcp.device.supervise import contained
from whatsapp_mcp.errors import (
    Busy,
    DeadlineExceeded,
    InvalidArgument,
    MessageNotFound,
    NotConnected,
    Rejected,
    SendUnknown,
    Unsupported,
    WhatsAppError,
)
from whatsapp_mcp.models import OutboxEntry, SendRequest, SendStatus
from whatsapp_mcp.processes.tracing import continued

SEND_DEADLINE: Final = 30.0
"""Seconds after which an unanswered hand-over counts as unknown; its answer is still taken when it comes."""
LAST_ANSWER: Final = 240.0
"""Seconds after which no answer comes any more: the library gives each of its queries 75."""
_RETRY_PAUSE: Final = 1.0
"""Seconds until a send is tried again that could not be prepared or handed over."""
_RETURNS: Final = 5
"""Most times that a send is tried again because the client ended."""
_POISON: Final = "The client ended each time that this was handed to it."
_NOT_PREPARED: Final = partial(
    Unsupported,
    "This server failed while it prepared the message, which was not sent.",
    "Tell the user that the server's log says where; send it in another form.",
)
_NOT_FOLLOWED: Final = partial(SendUnknown, "This server failed while it handed the message over.")
_NOT_LOOKED_AT: Final = partial(SendUnknown, "This server failed while it looked at the message once more.")

logger = logging.getLogger(__name__)


class Sender(Protocol):
    """A builder of messages that hands them to the current client."""

    async def compose(self, request: SendRequest) -> Composed:
        """The message of a request; what it needs of the current client it asks for.

        Raises:
            WhatsAppError: It cannot be made, or may not be sent.
        """
        ...

    async def hand_over(self, chat: str, message: str, handed_to: str, deadline: float) -> dict[str, Any]:
        """Give a message (base64) to the client that `handed_to` names: {id, timestamp}.

        Raises:
            WhatsAppError: What the client answered, or why it was not given to it.
        """
        ...

    async def unanswered(self, chat: str) -> None:
        """A hand-over for this chat was not answered in time."""
        ...


Obstacle = Callable[[OutboxEntry], Awaitable[WhatsAppError | None]]
"""Why a queued send does not leave, after it was moved on; None if it may. An error leaves it queued."""


async def may_leave(entry: OutboxEntry) -> WhatsAppError | None:
    """Let every send leave."""


class Prepared(NamedTuple):
    """A message that can be handed over, and the name of its hand-over."""

    composed: Composed
    handed_to: str


class Deliveries:
    """Hands sends over, each once, and keeps what comes of it.

    Args:
        sender: Makes the messages and gives them to the client.
        evidence: What the client library knows of earlier messages.
        outcomes: Ends them.
        look_again: Has the outbox looked at, after a hand-over that did not succeed.

    Attributes:
        obstacle: Looks at each send that was queued, before it is handed over.
        running: Numbers of the sends that are at the client now.
        spans: For each send that was accepted in a span, what names that span (`tracing.carrier`).
    """

    def __init__(
        self,
        archive: Archive,
        clock: Clock,
        sender: Sender,
        evidence: DeliveryEvidence,
        outcomes: Outcomes,
        look_again: Callable[[], None],
    ) -> None:
        self._archive = archive
        self._clock = clock
        self._sender = sender
        self._evidence = evidence
        self._outcomes = outcomes
        self._look_again = look_again
        self._clients_ended: Counter[int] = Counter()
        self._preparing: dict[int, str] = {}
        self.obstacle: Obstacle = may_leave
        self.running: set[int] = set()
        self.spans: dict[int, str] = {}

    def keep_counts_of(self, unsettled: Collection[int]) -> None:
        """Forget the clients that ended over sends which are settled by now, however that came."""
        for counts in (self._clients_ended, self._preparing, self.spans):
            for send_id in counts.keys() - set(unsettled):
                del counts[send_id]

    async def deliver(self, entry: OutboxEntry, tasks: TaskGroup) -> None:
        """Hand a queued send over and wait for its outcome, so that the next one comes after it.

        Args:
            entry: The send.
            tasks: Where the hand-over goes on if it takes longer than `SEND_DEADLINE`.
        """
        prepared = await self._prepare_or_refuse(entry)
        if prepared is None:
            return
        # After the message is made: an upload may take minutes, in which somebody joins the group.
        if not await self._leaves(entry):
            return
        composed, handed_to = prepared
        try:
            begun = await self._archive.write(
                outbox.sending, entry.send_id, handed_to=handed_to, secret=composed.secret
            )
        except (InvalidArgument, MessageNotFound) as error:
            # It was withdrawn, or its row is damaged by now.
            logger.info("outbox: send %d is not handed over: %s", entry.send_id, error.code)
            return
        except WhatsAppError as error:
            await self._outcomes.refused(entry, error)
            return
        if begun.status is not SendStatus.SENDING:  # somebody has replied
            self._outcomes.callers.settle(entry.send_id, begun)
            return
        await self.hand_over(entry, prepared, tasks)

    async def _leaves(self, entry: OutboxEntry) -> bool:
        """Check whether a queued send may be handed over; its caller gets the reason if not."""
        look = partial(self.obstacle, entry)
        try:
            obstacle = await contained(f"outbox: looking at send {entry.send_id}", look, _NOT_LOOKED_AT)
        except WhatsAppError as error:
            logger.info("outbox: send %d cannot leave yet: %s", entry.send_id, error.code)
            await self._clock.sleep(_RETRY_PAUSE)
            return False
        if obstacle is not None:
            logger.info("outbox: send %d does not leave: %s", entry.send_id, obstacle.code)
            self._outcomes.callers.settle(entry.send_id, refusal=obstacle)
        return obstacle is None

    async def hand_over(self, entry: OutboxEntry, prepared: Prepared, tasks: TaskGroup) -> None:
        """Hand over what is written down as `sending`, and wait for its outcome up to `SEND_DEADLINE`."""
        kept = anyio.Event()
        tasks.start_soon(self._hand_over_and_keep, entry, prepared, kept)
        with self._clock.limit(SEND_DEADLINE):
            await kept.wait()
        if not kept.is_set():
            await self._sender.unanswered(entry.request.chat)
            secret = prepared.composed.secret
            await self._outcomes.unanswered(entry, secret, "WhatsApp has not answered yet.")

    async def prepare(self, request: SendRequest, name: str) -> Prepared:
        """Make the message of a request, whatever the request contains.

        Args:
            request: What is sent.
            name: What it is called in the log.

        Raises:
            WhatsAppError: It cannot be made, or may not be sent.
        """

        async def make() -> Prepared:
            composed = await self._sender.compose(request)
            return Prepared(composed, await self._evidence.name_hand_over(request.chat))

        return await contained(name, make, _NOT_PREPARED)

    async def take_back(self, entry: OutboxEntry, reason: str | None = None) -> None:
        """Queue again a send that has not gone out or may be repeated, unless it ended too many clients."""
        if self._has_ended_too_many(entry.send_id):
            if reason is None:
                await self._outcomes.refused(entry, Rejected(f"{_POISON} It was not sent."))
            else:
                await self._archive.write(outbox.unknown, entry.send_id, _POISON, traceable=False)
                self._outcomes.callers.settle(entry.send_id)
            return
        logger.info("outbox: send %d had not gone out and is queued again", entry.send_id)
        await self._archive.write(outbox.queued, entry.send_id, reason, handed_to=entry.handed_to)

    async def _prepare_or_refuse(self, entry: OutboxEntry) -> Prepared | None:
        """The message, and the name of its hand-over; None when it cannot go out now.

        As when it is handed over, a send that ends client after client is given up.
        """
        send_id, client = entry.send_id, self._evidence.here()
        if self._preparing.get(send_id, client) != client and self._has_ended_too_many(send_id):
            await self._refuse(entry, Rejected(f"{_POISON} It was not sent."))
            return None
        self._preparing[send_id] = client
        prepared = None
        try:
            prepared = await self.prepare(entry.request, f"outbox: preparing send {send_id}")
        except (NotConnected, Busy):
            await self._clock.sleep(_RETRY_PAUSE)
            return None
        except WhatsAppError as error:
            await self._refuse(entry, error)
        self._preparing.pop(send_id, None)
        return prepared

    async def _refuse(self, entry: OutboxEntry, error: WhatsAppError) -> None:
        """Refuse what was not handed over; it may have been cancelled or deleted while it was prepared."""
        try:
            await self._outcomes.refused(entry, error)
        except (InvalidArgument, MessageNotFound):
            logger.info("outbox: send %d was cancelled or deleted while it was prepared", entry.send_id)

    def _has_ended_too_many(self, send_id: int) -> bool:
        """Count one more client that ended over a send; whether it shall get no other."""
        self._clients_ended[send_id] += 1
        if self._clients_ended[send_id] <= _RETURNS:
            return False
        del self._clients_ended[send_id]  # a key that is used again starts from zero
        self._preparing.pop(send_id, None)
        return True

    async def _hand_over_and_keep(self, entry: OutboxEntry, prepared: Prepared, kept: anyio.Event) -> None:
        """Give a message to the client and keep what comes of it, however late that is."""
        send_id, secret = entry.send_id, prepared.composed.secret
        message = b64encode(prepared.composed.message).decode()
        hand_over = partial(
            self._sender.hand_over, entry.request.chat, message, prepared.handed_to, LAST_ANSWER
        )
        self.running.add(send_id)
        taken = False
        try:
            # The line that hands it over may have been begun for another send, with another span.
            with continued(self.spans.pop(send_id, None), "hand over"):
                answer = await contained(f"outbox: handing over send {send_id}", hand_over, _NOT_FOLLOWED)
        except Busy as error:
            # The client ended: the next look at what it has noted decides.
            await self._archive.write(outbox.unknown, send_id, entry.reason or error.message)
        except (SendUnknown, DeadlineExceeded) as error:
            await self._outcomes.unanswered(entry, secret, error.message)
        except NotConnected:
            # It has certainly not left: where that is in doubt, the client answers `SendUnknown`.
            await self._archive.write(outbox.queued, send_id, entry.reason)
            await self._clock.sleep(_RETRY_PAUSE)
        except WhatsAppError as error:
            await self._outcomes.refused(entry, error)
        except BaseException:
            # Cancelled with the message perhaps on its way: the next leader must not send it again.
            with anyio.CancelScope(shield=True):
                await self._archive.write(outbox.unknown, send_id, entry.reason or ENDED)
            raise
        else:
            with anyio.CancelScope(shield=True):
                await self._keep(entry, prepared, answer)
            taken = True
        finally:
            self.running.discard(send_id)
            kept.set()
            if not taken:
                self._look_again()

    async def _keep(self, entry: OutboxEntry, prepared: Prepared, answer: dict[str, Any]) -> None:
        """Write down what WhatsApp answered; while that cannot be done, the outcome is unknown."""
        composed, handed_to = prepared
        answered = partial(self._outcomes.answered, entry, handed_to, answer, composed.message)
        try:
            await contained(f"outbox: keeping send {entry.send_id}", answered, _NOT_FOLLOWED)
        except WhatsAppError as error:
            await self._outcomes.unanswered(entry, composed.secret, error.message)
