"""Sends: accepted, withdrawn, and forgotten with their chat."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.device.supervise import nothing
from whatsapp_mcp.errors import MessageNotFound, NotConnected, NotLinked
from whatsapp_mcp.models import Authorship, PurgeReport, SendRequest, SendResult, SendStatus

if TYPE_CHECKING:
    from whatsapp_mcp.archive import Archive
    from whatsapp_mcp.device.archiving import Archiver
    from whatsapp_mcp.device.clock import Clock
    from whatsapp_mcp.device.connection import ReconnectLoop
    from whatsapp_mcp.device.outbox import Outbox

_CAUGHT_UP: Final = timedelta(seconds=10)
"""After so long a connection has brought what was said while there was none."""


class SendOperations:
    """Part of the local device, which brings the outbox; see `Device` for each."""

    _archive: Archive
    _archiver: Archiver
    _clock: Clock
    _loop: ReconnectLoop
    _outbox: Outbox

    def _unavailable(self) -> NotLinked | NotConnected:
        raise NotImplementedError

    def _is_online(self) -> bool:
        raise NotImplementedError

    async def send(
        self,
        request: SendRequest,
        has_ended: Callable[[], bool] = lambda: False,
        authorship: Authorship | None = None,
        begin: Callable[[], Awaitable[None]] = nothing,
    ) -> SendResult:
        """See `Device.send`.

        Args:
            request: What is sent.
            has_ended: Whether another process that asks for it has ended: then the send stays accepted.
            authorship: For whom, and whose words it may repeat.
            begin: As of `Outbox.submit`.
        """
        if self._loop.connection.state.traits.rests:
            # Nothing will come of it in the time that a caller waits.
            request = replace(request, wait=0.0)
        result = await self._outbox.submit(request, authorship=authorship, has_ended=has_ended, begin=begin)
        if result.status is SendStatus.QUEUED and not self._is_online() and result.reason is None:
            why = self._unavailable()
            result = replace(result, reason=f"{why.message} {why.action}")
        return result

    async def cancel_send(self, chat: str, send_id: int) -> SendResult:
        """See `Device.cancel_send`."""
        entry = await self._archive.outbox_get(send_id)
        wanted, found = [await self._archive.chat_facts(one) for one in (chat, entry.request.chat)]
        if wanted.jid != found.jid:
            raise MessageNotFound(f"There is no send {send_id} to this chat.", "Look at scheduled.")
        await self._outbox.cancel(send_id)
        return (await self._archive.outbox_get(send_id)).result

    async def forget_chat(self, chat: str) -> PurgeReport:
        """See `ChatOperations.forget_chat`."""
        report = await self._archive.purge(chat=chat)
        self._outbox.forget(report.cancelled)
        return report

    def may_send(self, after_replies: bool = False) -> bool:
        """Whether a send can go out now.

        Args:
            after_replies: Whether what came while the connection was down has to be known before.
        """
        online = self._is_online()
        if not after_replies:
            return online
        steady = self._clock.now() - self._loop.connection.since >= _CAUGHT_UP
        return online and steady and self._archiver.waiting == 0

    @property
    def outbox(self) -> Outbox:
        """The sends on their way, and those that are held."""
        return self._outbox
