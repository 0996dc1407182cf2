"""The outbox as the host's other rooms see it: sends that were accepted, until they are settled.

The states are `queued`, `sending`, `sent`, `failed` and `unknown`; what receipts add to `sent` is read with
the message. Every method is one committed, durable transaction.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from whatsapp_mcp.archive.records import OutboxEntry
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.models import SendRequest


class Outbox(Protocol):
    """What may be done with sends; only the account's host may."""

    async def outbox_add(
        self,
        request: SendRequest,
        *,
        expires_at: datetime | None = None,
        obstacle: WhatsAppError | None = None,
        handed_to: str | None = None,
        secret: bytes | None = None,
    ) -> tuple[OutboxEntry, bool]:
        """Accept a send as `queued`; with an idempotency key that was used before, answer the entry of then.

        What failed without being handed over (refused before, expired, withdrawn) is `queued` once more.

        Args:
            obstacle: Why nothing can be accepted now; raised unless the send was accepted before.
            handed_to: To which client it is about to be handed over: it becomes `sending` in the same
                transaction, unless an earlier send to its chat is not settled.
            secret: As of `outbox_sending`.

        Returns:
            The entry, and whether it was accepted by this call.

        Raises:
            InvalidArgument: The key was used for another content or chat, or the chat is no address.
            SendUnknown: No key, and the same content to the same chat is unsettled.
        """
        ...

    async def outbox_get(self, send_id: int) -> OutboxEntry:
        """One entry, its status with what receipts say.

        Raises:
            MessageNotFound: No such send.
        """
        ...

    async def outbox_quarantine(self) -> tuple[int, ...]:
        """Settle the entries that cannot be read, so that nobody meets them again; answers their numbers.

        What was `queued` becomes `failed`, what was under way `unknown`. The rows stay.
        """
        ...

    async def outbox_last_sent(self) -> datetime | None:
        """When WhatsApp last took a send; None when it never has."""
        ...

    async def outbox_unsettled(self, *, chat: str | None = None, limit: int = -1) -> tuple[OutboxEntry, ...]:
        """Entries that are `queued`, `sending`, or `unknown` and traceable, in the order of acceptance.

        Args:
            chat: Those to this chat alone, as the requests name it.
            limit: The oldest so many; below zero, all.
        """
        ...

    async def outbox_sending(
        self, send_id: int, *, handed_to: str | None = None, secret: bytes | None = None
    ) -> OutboxEntry:
        """`queued` becomes `sending`: about to be handed over.

        Args:
            handed_to: To which client.
            secret: The message's own secret, under which the client's database knows its id.

        Raises:
            InvalidArgument: It is in another state.
        """
        ...

    async def outbox_sent(
        self, send_id: int, message_id: str, timestamp: datetime, *, message: bytes | None = None
    ) -> OutboxEntry:
        """WhatsApp took it: `sent`, and the own message is stored in the same transaction.

        Args:
            message: The `E2E.Message` that was sent, where the client library tells it.
        """
        ...

    async def outbox_queued(
        self, send_id: int, reason: str | None = None, *, handed_to: str | None = None
    ) -> OutboxEntry:
        """It goes back to `queued`: it has not gone out, or a second time would change nothing.

        Args:
            reason: Why it may have gone out already; stays with it while it is handed over again.
            handed_to: The hand-over that this is known of.

        Raises:
            InvalidArgument: It is settled, or was handed over anew.
        """
        ...

    async def outbox_withdrawn(self, send_id: int, reason: str) -> OutboxEntry:
        """Expired or given up while it was queued: it never goes out, and ends as with `outbox_failed`.

        Raises:
            InvalidArgument: It is not queued (any more): it may be on its way.
        """
        ...

    async def outbox_failed(self, send_id: int, reason: str) -> OutboxEntry:
        """Refused: `failed`, for it has not gone out; `unknown` if it may have gone out an earlier time."""
        ...

    async def outbox_unknown(
        self,
        send_id: int,
        reason: str,
        *,
        message_id: str | None = None,
        traceable: bool = True,
        handed_to: str | None = None,
    ) -> OutboxEntry:
        """Handed over, and no answer came.

        Args:
            message_id: The id that it got, as soon as that is known: whatever names it settles the send.
            traceable: False when nothing more can be found out about it.
            handed_to: The hand-over that this is known of.

        Raises:
            InvalidArgument: It is settled, or was handed over anew.
        """
        ...
