"""The account owner's phone, the companions that are linked to it, and its answers to their requests."""

from __future__ import annotations

from typing import Any

from whatsapp_mcp.jid import Jid
from whatsapp_mcp.protobufs import E2E
from whatsapp_simulator import messages, pairing, receipts
from whatsapp_simulator.account import Account, Client
from whatsapp_simulator.companion import Companion
from whatsapp_simulator.envelope import Received
from whatsapp_simulator.groups import Group
from whatsapp_simulator.responses import Responder
from whatsapp_simulator.user import User


class Phone(Account, Responder):
    """The phone of an account, used by its owner."""

    @property
    def companion(self) -> Companion | None:
        """The device linked last, or None."""
        return next(reversed(self.companions.values()), None)

    def take_in(self, received: Received) -> None:
        """Put a message into the inbox, or handle a companion's peer request."""
        companion = self.companions.get(received.device)
        if received.stanza.get("category") != "peer":
            super().take_in(received)
        elif companion is not None:
            _answer(Client(self, companion), received)

    async def scan(self, qr_text: str) -> Companion:
        """Link the companion that shows this QR text.

        Raises:
            LinkingError: The text is not a code that is valid now, or the companion refused.
        """
        return await pairing.scan(self, qr_text)

    async def enter_code(self, code: str, timeout: float = 20.0) -> Companion:
        """Link the companion that shows this pairing code (`ABCD-EFGH`), once it requests this number.

        Raises:
            TimeoutError: No companion requested it.
            LinkingError: The code is wrong, or the companion refused.
        """
        return await pairing.enter_code(self, code, timeout)

    async def hand_over(self) -> None:
        """Send every companion the initial data of a newly linked one.

        That is the key of the app state, all push names, and the history.
        """
        self.app_state.share_key()
        await self.history.send("push_names")
        await self.history.send("initial")

    async def online(self, timeout: float = 20.0) -> Companion:
        """Wait for a companion that is logged in and receives messages; return it.

        Raises:
            TimeoutError: There was none.
        """
        await self.network.until(lambda: any(each.active for each in self.companions.values()), timeout)
        return next(each for each in self.companions.values() if each.active)

    async def offline(self, timeout: float = 20.0) -> None:
        """Return once no companion is logged in.

        Raises:
            TimeoutError: One still was.
        """
        await self.network.until(lambda: not any(each.active for each in self.companions.values()), timeout)

    async def reads(self, message_id: str) -> None:
        """Read a message in the inbox on the phone: its sender and the companions get receipts.

        Raises:
            KeyError: There is none with that id.
        """
        receipts.read_on_phone(self, self.got(message_id))

    async def says(
        self,
        to: User | Group,
        message: str | E2E.Message,
        *,
        id: str | None = None,
        at: int | None = None,
    ) -> str:
        """Send a message from the phone; companions get a copy. See `Person.says`."""
        whole = E2E.Message(conversation=message) if isinstance(message, str) else message
        return await messages.post(self, whole, to, id=id, timestamp=at)


def _answer(client: Client, received: Received) -> None:
    """Handle a companion's request; an unknown one is logged."""
    request = received.message.protocolMessage
    match request.type:
        case E2E.ProtocolMessage.APP_STATE_SYNC_KEY_REQUEST:
            client.account.app_state.share_key(client.companion)
        case E2E.ProtocolMessage.PEER_DATA_OPERATION_REQUEST_MESSAGE:
            _operate(client, request.peerDataOperationRequestMessage, received.id)
        case _:
            client.network.log_anomaly("unanswered", f"peer message {request!r}")


def _operate(client: Client, request: Any, request_id: str) -> None:
    match request.peerDataOperationRequestType:
        case E2E.PLACEHOLDER_MESSAGE_RESEND:
            _resend(client, request, request_id)
        case E2E.HISTORY_SYNC_ON_DEMAND:
            _hand_over(client, request.historySyncOnDemandRequest, request_id)
        case _:
            client.network.log_anomaly("unanswered", f"peer data operation {request!r}")


def _resend(client: Client, request: Any, request_id: str) -> None:
    """Send messages again that arrived without their ciphertext; those that the phone lacks are omitted."""
    keys = [each.messageKey for each in request.placeholderMessageResendRequest]
    infos = [client.account.history.find(key.ID) for key in keys]
    response = E2E.PeerDataOperationRequestResponseMessage(
        peerDataOperationRequestType=E2E.PLACEHOLDER_MESSAGE_RESEND, stanzaID=request_id
    )
    for info in infos:
        if info is not None:
            result = response.peerDataOperationResult.add()
            result.placeholderMessageResendResponse.webMessageInfoBytes = info.SerializeToString()
    client.account.send_to_companion(
        client.companion,
        E2E.ProtocolMessage(
            type=E2E.ProtocolMessage.PEER_DATA_OPERATION_REQUEST_RESPONSE_MESSAGE,
            peerDataOperationRequestResponseMessage=response,
        ),
    )


def _hand_over(client: Client, request: Any, request_id: str) -> None:
    """Send the messages of a chat before the oldest one that the companion has."""
    history = client.account.history
    chunk = history.before(Jid.parse(request.chatJID), request.oldestMsgID, request.onDemandMsgCount)
    history.deliver(client.companion, chunk, request_id=request_id)
