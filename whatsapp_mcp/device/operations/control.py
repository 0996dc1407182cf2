"""The connection to WhatsApp, and how the account is."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from whatsapp_mcp.models import (
    Activity,
    ConnectionStatus,
    LeaderFigures,
    LinkState,
)
from whatsapp_mcp.policy import Audience, Effect, has_effect

if TYPE_CHECKING:
    from whatsapp_mcp.device.connection import ConnectionControls
    from whatsapp_mcp.device.status import Status


@has_effect(Effect.READ, in_chat=True, is_state=True)
async def status(account: Status) -> ConnectionStatus:
    """The state of the connection; never blocks and never fails."""
    return await account.status()


@has_effect(Effect.READ)
async def figures(account: Status) -> LeaderFigures:
    """Return what only the leader knows of the account and its client process, for operators."""
    return await account.figures()


@has_effect(Effect.READ, in_chat=True, is_state=True)
async def activity(account: Status, after: int, wait: float = 0.0) -> Activity:
    """Return the activity once the archive's change feed is beyond `after`, or after `wait` seconds."""
    return await account.activity(after, wait)


@has_effect(Effect.LINK)
async def link(controls: ConnectionControls, phone: str | None = None) -> LinkState:
    """Begin linking, or join the linking that runs; answers with the first QR or pairing code.

    Args:
        phone: E.164 number; then a pairing code is made instead of QR codes.

    Raises:
        InvalidArgument: A phone is linked already, or the number is not one.
        DeadlineExceeded: WhatsApp gave no code in time.
    """
    return await controls.link(phone)


@has_effect(Effect.READ)
async def link_state(controls: ConnectionControls, after_revision: int = -1, wait: float = 0.0) -> LinkState:
    """Return how far linking has come; wait up to `wait` seconds for a revision above `after_revision`."""
    return await controls.link_state(after_revision, wait)


@has_effect(Effect.DESTROY, Audience.ONESELF)
async def unlink(controls: ConnectionControls) -> None:
    """Log this companion out of WhatsApp and forget its keys. The archive stays.

    Raises:
        NotLinked: No phone is linked.
        NotConnected: The connection is paused, so WhatsApp cannot be told.
    """
    await controls.unlink()


@has_effect(Effect.LINK)
async def reconnect(controls: ConnectionControls) -> ConnectionStatus:
    """Start a new client now, whatever state the connection is in; the way out of `replaced`.

    Raises:
        NotLinked: No phone is linked.
        NotConnected: It is paused: what a person paused, `resume` alone ends.
    """
    return await controls.reconnect()


@has_effect(Effect.LINK)
async def pause(controls: ConnectionControls, until: datetime | None = None) -> ConnectionStatus:
    """Close the connection until then, or until `resume`; a pause that lasts already gets this end.

    Sends are queued meanwhile. Later leaders keep the pause.

    Raises:
        InvalidArgument: That time has passed.
        NotLinked: No phone is linked.
        NotConnected: It is closed already, by WhatsApp or by another client.
    """
    return await controls.pause(until)


@has_effect(Effect.LINK)
async def resume(controls: ConnectionControls) -> ConnectionStatus:
    """End a pause and connect; without a pause nothing changes.

    Raises:
        NotLinked: No phone is linked.
    """
    return await controls.resume()
