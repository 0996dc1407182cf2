"""Requests of a companion to its own phone, by peer message, and the phone's answers."""

from __future__ import annotations

from typing import Any

from whatsapp_mcp.jid import Jid
from whatsapp_mcp.protobufs import E2E
from whatsapp_simulator import peer
from whatsapp_simulator.account import Client
from whatsapp_simulator.envelope import Received


def answer(client: Client, received: Received) -> None:
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
    peer.send(
        client.account,
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
