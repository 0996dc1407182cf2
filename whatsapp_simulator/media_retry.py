"""Files that the media hosts have lost: a companion asks the phone to upload one again.

It sends a receipt of type `server-error` for the message; the phone answers with a notification `mediaretry`
that contains the new path. Both are encrypted with a key derived from the file's media key.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from whatsapp_mcp.protobufs import MmsRetry
from whatsapp_simulator.account import Client
from whatsapp_simulator.binary import Node
from whatsapp_simulator.media import Renewed
from whatsapp_simulator.media_crypto import MediaError
from whatsapp_simulator.signal.primitives import hkdf

_INFO = b"WhatsApp Media Retry Notification"
_NOT_FOUND = 2

_Notification = MmsRetry.MediaRetryNotification


def accept(client: Client, receipt: Node) -> None:
    """Upload the file of a message again, if the phone has it, and send the companion the new path."""
    network, message_id = client.network, receipt.get("id")
    place = receipt.child("rmr")
    payload, iv = receipt.child("encrypt", "enc_p"), receipt.child("encrypt", "enc_iv")
    if place is None or payload is None or iv is None:
        network.log_anomaly("malformed", repr(receipt))
        return
    renewed = _renewed(client, message_id)
    if renewed is None:
        outcome = Node("error", {"code": _NOT_FOUND})
    else:
        cipher, bound = AESGCM(hkdf(renewed.media_key, _INFO, 32)), message_id.encode()
        try:
            cipher.decrypt(iv.data, payload.data, bound)
        except InvalidTag:
            network.log_anomaly("undecryptable", f"media retry for {message_id} by {client.companion.lid}")
            return
        notification = _Notification(
            stanzaID=message_id, directPath=renewed.direct_path, result=_Notification.SUCCESS
        )
        nonce = network.random(f"media retry {message_id}").randbytes(len(iv.data))
        sealed = cipher.encrypt(nonce, notification.SerializeToString(), bound)
        outcome = Node("encrypt", {}, [Node("enc_p", {}, sealed), Node("enc_iv", {}, nonce)])
    attrs = {"from": client.account.pn, "type": "mediaretry", "id": message_id, "t": network.timestamp()}
    client.companion.deliver(Node("notification", attrs, [place, outcome]))


def _renewed(client: Client, message_id: str) -> Renewed | None:
    """The uploaded file of a message; None if the phone has no such message or not its file."""
    info = client.account.history.find(message_id)
    if info is None:
        return None
    try:
        return client.network.media.renew(info.message)
    except MediaError:
        return None
