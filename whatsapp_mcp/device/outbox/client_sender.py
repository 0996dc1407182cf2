"""Messages made for the current client and handed to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.outbox.addresses import Addresses
from whatsapp_mcp.device.outbox.composing import Composed, compose
from whatsapp_mcp.device.outbox.delivery_evidence import DeliveryEvidence
from whatsapp_mcp.errors import NotConnected
from whatsapp_mcp.media import Worker, preview_of
from whatsapp_mcp.models import SYSTEM, SendRequest
from whatsapp_mcp.policy import Act, Audience, CallerState, Effect, Policy, require
from whatsapp_mcp.processes.rpc import Params
from whatsapp_mcp.settings import CurrentSettings
from whatsapp_mcp.storage import KeyStore

CALL_DEADLINE: Final = 20.0
"""Seconds for any other call that a message needs."""
UPLOAD_DEADLINE: Final = 180.0
"""Seconds for a file: WhatsApp takes large ones, and lines are slow."""


class CallClient(Protocol):
    """Calls a method of the current client; see `LocalDevice.call`."""

    async def __call__(self, method: str, params: Params | None = None, *, deadline: float) -> Any:
        """Call the method and return the client's answer."""
        ...


class ClientSender:
    """The outbox's `Sender`; it asks the policy once more, as a send may have waited since it was accepted.

    Args:
        archive: Where the messages are that a request names.
        keys: The client library's database.
        settings: The policy and `network.proxy`, as they are when something is sent.
        worker: Decodes the pictures of previews.
        evidence: Names hand-overs.
        call: Calls the current client.
        doubt: Has a client probed that did not answer.
        learn_lid: Looks up the LID of the person that was written to.
        at_hand: Where the file of a send lies here, if not where it was accepted (`StoredFiles.at_hand`).
    """

    def __init__(
        self,
        archive: Archive,
        keys: KeyStore,
        settings: CurrentSettings,
        worker: Worker,
        evidence: DeliveryEvidence,
        *,
        call: CallClient,
        doubt: Callable[[], None],
        learn_lid: Callable[[str], Awaitable[None]],
        at_hand: Callable[[str], Awaitable[Path | None]],
    ) -> None:
        self._archive = archive
        self._addresses = Addresses(keys)
        self._settings = settings
        self._worker = worker
        self._evidence = evidence
        self._call = call
        self._doubt = doubt
        self._learn_lid = learn_lid
        self._at_hand = at_hand

    async def compose(self, request: SendRequest) -> Composed:
        """Build the message of a request, if the policy still allows sending it.

        Raises:
            Denied: The policy does not allow sending now.
        """
        self._require_allowed()
        proxy = self._settings.now().network.proxy_url
        preview = partial(preview_of, worker=self._worker, proxy=proxy)
        return await compose(request, self._archive, self._addresses, self._prepare, preview)

    async def hand_over(self, chat: str, message: str, handed_to: str, deadline: float) -> dict[str, Any]:
        """Hand a message (base64) to the client that `handed_to` names; return {id, timestamp}.

        Raises:
            Denied: The policy does not allow sending now.
            NotConnected: The client that the message was prepared for was replaced.
        """
        self._require_allowed()
        if not self._evidence.is_here(handed_to):
            raise NotConnected("The client was replaced before it got the message.")
        try:
            return await self._call("send_message", {"to": chat, "message": message}, deadline=deadline)
        finally:
            # Also after an error: the message may be out, and its receipts come from the LID.
            await self._learn_lid(chat)

    async def unanswered(self, chat: str) -> None:
        """Have the silent client probed, and look up the LID of the chat."""
        self._doubt()
        await self._learn_lid(chat)

    def _require_allowed(self) -> None:
        """Refuse what became forbidden after it was accepted."""
        act = Act("send", Effect.ACT, Audience.CHAT)
        require(Policy.of(self._settings.now()), act, CallerState(SYSTEM))

    async def _prepare(self, method: str, params: Params) -> Any:
        """A call that a message needs before it can be handed over."""
        if method == "upload" and (here := await self._at_hand(str(params["path"]))) is not None:
            params = {**params, "path": str(here)}
        deadline = UPLOAD_DEADLINE if method == "upload" else CALL_DEADLINE
        return await self._call(method, params, deadline=deadline)
