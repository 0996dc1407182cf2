"""Control of the connection itself: linking and unlinking, a new client, pausing."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from whatsapp_mcp.device.clock import Clock, within
from whatsapp_mcp.device.connection import state
from whatsapp_mcp.device.connection.client_pipe import is_pairing_code
from whatsapp_mcp.device.connection.reconnect import FORGET_LIMIT, ReconnectLoop
from whatsapp_mcp.errors import DeadlineExceeded, InvalidArgument, NotConnected, Rejected, WhatsAppError
from whatsapp_mcp.jid import parse_number
from whatsapp_mcp.models import ConnectionState, ConnectionStatus, LinkState

if TYPE_CHECKING:
    from whatsapp_mcp.device.connection.linking import Linking

CALL_DEADLINE: Final = 20.0
"""Seconds for a call of the client, where nothing else is said."""
_FIRST_CODE: Final = 40.0
"""Seconds; longer than the state machine waits (`FIRST_QR_LIMIT`), which then says why there is no code."""
_PAIR_CODE_LIFETIME: Final = 160.0
"""Seconds that the QR codes live together (60, then five times 20), with which the library ends it."""
_LOGOUT_DEADLINE: Final = 10.0
"""Seconds in which WhatsApp is told; the keys are deleted in any case."""
_EVENT_DEADLINE: Final = FORGET_LIMIT + 5.0
"""An event waits for those before it, and linking and unlinking until the keys are deleted."""
_CHECK_NETWORK: Final = (
    "Tell the user to check the network or `network.proxy`: `whatsapp-mcp doctor --online` shows what fails."
)

logger = logging.getLogger(__name__)


def _what_to_do(ended: ConnectionState, reason: str) -> str:
    """Return what to do about linking that has ended."""
    if state.UNREACHABLE in reason:
        return _CHECK_NETWORK
    advice = None if ended is ConnectionState.UNLINKED else ended.traits.what_to_do()
    return advice or "Try again."


class ConnectionControls:
    """Actions of a person, or of an agent for one, on the connection.

    Args:
        clock: The leader's.
        loop: Owns the connection.
        linking: Tells how far linking has come.
        call: Calls the current client.
        status: How the connection is.
    """

    def __init__(
        self,
        clock: Clock,
        loop: ReconnectLoop,
        linking: Linking,
        *,
        call: Callable[..., Awaitable[Any]],
        status: Callable[[], Awaitable[ConnectionStatus]],
    ) -> None:
        self._clock = clock
        self._loop = loop
        self._linking = linking
        self._call = call
        self._status = status

    async def link(self, phone: str | None = None) -> LinkState:
        """Begin linking, or join the linking that runs; answers with the first QR or pairing code."""
        number = parse_number(phone) if phone is not None else None
        if self._loop.connection.linked:
            raise InvalidArgument("A phone is linked already.", "Unlink it first: `whatsapp-mcp unlink`.")
        await self._ask(state.LinkAsked())
        shown = await self._within(
            _FIRST_CODE,
            lambda: self._linking.wait_for(
                lambda now: now.qr is not None or now.state is not ConnectionState.LINKING
            ),
        )
        if shown.state is not ConnectionState.LINKING and not shown.state.traits.rests:
            return shown  # a phone has taken the code at this moment
        if shown.state is not ConnectionState.LINKING:
            reason = shown.reason or "Linking was given up."
            raise NotConnected(reason, _what_to_do(shown.state, reason))
        if number is not None and shown.code is None:
            # Only now that a QR code is out: before that, the library makes no pairing code.
            code = await self._call("pair_phone", {"number": number.user}, deadline=CALL_DEADLINE)
            if not is_pairing_code(code):
                raise Rejected("The client process answered with something that is no pairing code.")
            self._linking.show_code(code, _PAIR_CODE_LIFETIME)
        return self._linking.now

    async def link_state(self, after_revision: int = -1, wait: float = 0.0) -> LinkState:
        """Return the state of linking; wait up to `wait` seconds for one above `after_revision`."""
        if wait > 0:
            await within(
                self._clock, wait, lambda: self._linking.wait_for(lambda now: now.revision > after_revision)
            )
        return self._linking.now

    async def unlink(self) -> None:
        """Log this companion out of WhatsApp and forget its keys. The archive stays."""
        self._require_open()
        reason = f"{state.UNLINKED_HERE}."
        try:
            await self._call("logout", deadline=_LOGOUT_DEADLINE)
        except WhatsAppError as error:
            logger.warning("connection: WhatsApp could not be told of the logout: %s", error.code)
            untold = "WhatsApp could not be told, so remove it in the phone's linked devices too."
            reason = f"{state.UNLINKED_HERE}; {untold}"
        await self._ask(state.Unlinked(reason))

    async def reconnect(self) -> ConnectionStatus:
        """Start a new client now, whatever state the connection is in; the way out of `replaced`."""
        self._require_open()
        await self._ask(state.ReconnectAsked())
        return await self._status()

    async def pause(self, until: datetime | None = None) -> ConnectionStatus:
        """Close the connection until then, or until `resume`; a pause that lasts already gets this end."""
        status = await self._pause_or_resume(state.PauseAsked(until))
        if status.state is not ConnectionState.PAUSED:  # it was closed at this moment
            raise state.unavailable(self._loop.connection)
        return status

    async def resume(self) -> ConnectionStatus:
        """End a pause and connect; without a pause nothing changes."""
        return await self._pause_or_resume(state.ResumeAsked())

    async def _pause_or_resume(self, event: state.PauseAsked | state.ResumeAsked) -> ConnectionStatus:
        state.check_may_pause(self._loop.connection, event, self._clock.now())
        await self._ask(event)
        return await self._status()

    def _require_open(self) -> None:
        """Raise if paused or not linked: `resume` alone ends a pause, and WhatsApp would miss a logout."""
        now = self._loop.connection
        if not now.linked or now.state is ConnectionState.PAUSED:
            raise state.unavailable(now)

    async def _ask(self, event: state.Event) -> None:
        await self._within(_EVENT_DEADLINE, lambda: self._loop.ask(event))

    async def _within(self, seconds: float, wait: Callable[[], Awaitable[Any]]) -> Any:
        outcome = await within(self._clock, seconds, wait)
        if outcome is None:
            raise DeadlineExceeded(f"It took longer than {seconds:g} seconds.")
        return outcome
