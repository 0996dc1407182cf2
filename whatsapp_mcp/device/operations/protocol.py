"""`Device`: every operation on WhatsApp, in our models.

`LocalDevice` does them in the leader, behind `EnforcedDevice`, which asks the policy;
`RemoteDevice` asks that server over its socket. The latter two are generated from this protocol: whoever adds
a method here declares its effect and writes it once, in `LocalDevice`. Parameters
and results are therefore JSON-able: primitives and the dataclasses of `models`. What
belongs to one topic (groups, contacts, channels …) is declared and done in its module of `topics/`.

Reading what was said is not here: every server reads the archive itself.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Literal, Protocol

from whatsapp_mcp.device.operations.agents import AgentOperations
from whatsapp_mcp.device.operations.approvals import ApprovalOperations
from whatsapp_mcp.device.operations.topics import TopicOperations
from whatsapp_mcp.features.imports.operations import ImportOperations
from whatsapp_mcp.models import (
    Activity,
    ConnectionStatus,
    ContactDetails,
    LeaderFigures,
    LinkState,
    SendRequest,
    SendResult,
)
from whatsapp_mcp.policy import Audience, Effect, has_effect


class Device(
    TopicOperations,
    ApprovalOperations,
    AgentOperations,
    ImportOperations,
    Protocol,
):
    """The linked device of one account.

    Every method answers or fails with a `WhatsAppError` within its deadline; none blocks on a dead
    connection.
    """

    @has_effect(Effect.READ, in_chat=True)
    async def status(self) -> ConnectionStatus:
        """The state of the connection; never blocks and never fails."""
        ...

    @has_effect(Effect.READ)
    async def figures(self) -> LeaderFigures:
        """What only the leader knows of the account and its client process, for operators."""
        ...

    @has_effect(Effect.LINK)
    async def link(self, phone: str | None = None) -> LinkState:
        """Begin linking, or join the linking that runs; answers with the first QR or pairing code.

        Args:
            phone: E.164 number; then a pairing code is made instead of QR codes.

        Raises:
            InvalidArgument: A phone is linked already, or the number is not one.
            DeadlineExceeded: WhatsApp gave no code in time.
        """
        ...

    @has_effect(Effect.READ)
    async def link_state(self, after_revision: int = -1, wait: float = 0.0) -> LinkState:
        """How far linking has come; waits up to `wait` seconds for a revision above `after_revision`."""
        ...

    @has_effect(Effect.DESTROY, Audience.ONESELF)
    async def unlink(self) -> None:
        """Log this companion out of WhatsApp and forget its keys. The archive stays.

        Raises:
            NotLinked: No phone is linked.
            NotConnected: The connection is paused, so WhatsApp cannot be told.
        """
        ...

    @has_effect(Effect.LINK)
    async def reconnect(self) -> ConnectionStatus:
        """Start a new client now, whatever state the connection is in; the way out of `replaced`.

        Raises:
            NotLinked: No phone is linked.
            NotConnected: It is paused: what a person paused, `resume` alone ends.
        """
        ...

    @has_effect(Effect.LINK)
    async def pause(self, until: datetime | None = None) -> ConnectionStatus:
        """Close the connection until then, or until `resume`; a pause that lasts already gets this end.

        Sends are queued meanwhile. Later leaders keep the pause.

        Raises:
            InvalidArgument: That time has passed.
            NotLinked: No phone is linked.
            NotConnected: It is closed already, by WhatsApp or by another client.
        """
        ...

    @has_effect(Effect.LINK)
    async def resume(self) -> ConnectionStatus:
        """End a pause and connect; without a pause nothing changes.

        Raises:
            NotLinked: No phone is linked.
        """
        ...

    @has_effect(Effect.ACT, Audience.CHAT, "request", in_chat=True)
    async def send(self, request: SendRequest) -> SendResult:
        """Put one message into the outbox and report what is known of it after `request.wait` seconds.

        One for later (`request.at`) is `scheduled` at once, and decided about again when it is due.

        Raises:
            NotLinked: No phone is linked.
            NotConnected: The connection is down and `request.queue` is false.
            InvalidArgument: Its moment has passed, is in quiet hours, or more than a year away.
            KeyReused: Its idempotency key was used for another message, or for one that was deleted since.
            SendUnknown: An earlier send of the same content to the same chat is unsettled.
            Rejected, NotOnWhatsApp, RateLimited: WhatsApp refused.
        """
        ...

    @has_effect(Effect.ACT, Audience.ONESELF, "chat")
    async def cancel_send(self, chat: str, send_id: int) -> SendResult:
        """Cancel a send to this chat that is scheduled, held or queued: it never goes out.

        Raises:
            MessageNotFound: There is no such send to this chat.
            InvalidArgument: It waits no more: it has gone out, may have, or was cancelled before.
        """
        ...

    @has_effect(Effect.READ, in_chat=True)
    async def activity(self, after: int, wait: float = 0.0) -> Activity:
        """What goes on: answers once the archive's change feed is beyond `after`, or in `wait` seconds."""
        ...

    @has_effect(Effect.READ)
    async def resolve_number(self, number: str) -> str | None:
        """The PN jid of an E.164 number when it is on WhatsApp, else None (asks WhatsApp).

        Raises:
            NotConnected, DeadlineExceeded: WhatsApp could not be asked.
        """
        ...

    @has_effect(Effect.ACT, Audience.CHAT, "chat", in_chat=True)
    async def mark_read(self, chat: str) -> int:
        """Send read receipts for everything in this chat; answers for how many messages.

        Raises:
            NotConnected, DeadlineExceeded: WhatsApp could not be told.
        """
        ...

    @has_effect(Effect.READ, in_chat=True)
    async def download(self, ref: int) -> str:
        """Fetch the file of a message, unless it is here; answers its path.

        Raises:
            MessageNotFound: No such message.
            MediaUnavailable: It carries no file, or WhatsApp no longer has it.
        """
        ...

    @has_effect(Effect.READ, in_chat=True)
    async def read_file(self, ref: int) -> None:
        """Fetch the file of a message and read it, unless that was done: then the archive has its reading.

        Raises:
            MessageNotFound: No such message.
            MediaUnavailable: It carries no file, or WhatsApp no longer has it.
            Unsupported: There is nothing to read in it, or nothing here that reads it.
            TooLong: It is over a limit.
            DeadlineExceeded: It takes longer than a caller waits; it is read all the same.
        """
        ...

    @has_effect(Effect.READ)
    async def contact_details(self, jid: str) -> ContactDetails:
        """What WhatsApp shows of a person now.

        Raises:
            NotConnected, DeadlineExceeded: WhatsApp could not be asked.
        """
        ...

    @has_effect(Effect.ACT, Audience.CHAT, "chat", in_chat=True)
    async def typing(self, chat: str, state: Literal["composing", "recording", "paused"]) -> None:
        """Show (or stop showing) that the account's owner is writing or recording."""
        ...


class Devices(Protocol):
    """Who lends the current device; the accessor, as tools and pages see it."""

    def use(self, deadline: float | None = None) -> AbstractAsyncContextManager[Device]:
        """Lend the device for one call of at most `deadline` seconds; nobody keeps it.

        Raises:
            WhatsAppError: There is none at the moment, or it went while it was lent.
        """
        ...
