"""Notifications of a client process, as events of the state machine."""

from __future__ import annotations

import base64
import logging
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError

from whatsapp_mcp.client import protocol
from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.device.connection import state
from whatsapp_mcp.errors import known_cause
from whatsapp_mcp.protobufs.bounded import parsed

if TYPE_CHECKING:
    from whatsapp_mcp.protobufs import Neonize

_LOGOUTS: Final = {
    2: "WhatsApp logged this companion out.",
    4: "The phone's account is gone from WhatsApp.",
    5: "WhatsApp logged this companion out without saying why.",
}
"""By `ConnectFailureReason` of the library (LOGGED_OUT, MAIN_DEVICE_GONE, UNKNOWN_LOGOUT)."""
_BANS: Final = {
    1: "sent to too many people",
    2: "blocked by many people",
    3: "made too many groups",
    4: "sent the same message too often",
    5: "sent too many broadcasts",
}
_PASSKEY: Final = (
    "WhatsApp asks for the account's passkey, which only a browser can answer. It asks some accounts, and "
    "not every time: try the other way of linking (QR code or pairing code), or another day."
)
_UNREACHABLE: Final = {
    "no such host": "its name cannot be resolved",
    "connection refused": "connection refused",
    "connection reset": "connection reset",
    "network is unreachable": "no network",
    "no route to host": "no route to host",
    "i/o timeout": "no answer",
    "deadline exceeded": "no answer",
    "x509": "its TLS certificate is not trusted",
    "proxy": "the proxy refused",
}
"""Meanings of Go's network errors, by words in them; their whole text may quote what a server answered."""

_LINKING_FAILURES: Final = {
    "timeout": f"The codes ran out before a phone took one. Have the phone ready. {state.PHONE_REFUSED}",
    "error": "The phone's answer could not be verified. Remove the new entry on the phone, then link again.",
    "err-scanned-without-multidevice": "The phone's WhatsApp is too old for linked devices. Update it there.",
    "err-unexpected-state": "WhatsApp answered out of turn. Link again.",
    "passkey-request": _PASSKEY,
    "passkey-confirmation": _PASSKEY,
}
"""By the library's login events (whatsmeow's `QRChannelItem`), why linking failed and what to try."""
_LINKING_FAILED: Final = (
    "Linking failed for a reason unknown to this version. Link again, or try the other way of linking."
)
_LINKED: Final = "success"
_OUTDATED: Final = "err-client-outdated"

logger = logging.getLogger(__name__)


def events_of(method: str, params: dict[str, Any], generation: int) -> state.ClientEvent | None:
    """The event that a notification of the client `generation` stands for; None when it says nothing."""
    match method:
        case protocol.QR:
            return state.Code(generation, float(params["lifetime"]))
        case protocol.LOGIN_EVENT:
            return _login_event(str(params["name"]), generation)
        case protocol.ENDED:
            return _ended(str(params.get("error", "")), generation)
        case protocol.STUCK:
            reason = f"Received events cannot be stored ({known_cause(str(params.get('error')))})."
            return state.Stuck(generation, reason, bool(params.get("damaged")))
        case protocol.UNSTUCK:
            return state.Unstuck(generation)
        case protocol.STATE:
            try:
                return _state(int(params["code"]), base64.b64decode(params["payload"]), generation)
            except DecodeError:
                logger.warning("connection: state event %s cannot be decoded", params["code"])
                return None
        case _:
            return None


def _login_event(name: str, generation: int) -> state.ClientEvent | None:
    if name == _LINKED:
        return None
    if name == _OUTDATED:
        return state.Outdated(generation)
    return state.LinkingFailed(generation, _LINKING_FAILURES.get(name, _LINKING_FAILED))


def _ended(error: str, generation: int) -> state.ClientEvent:
    # A <failure> with a code that the library's enum lacks kills its event pump with these words.
    if "ConnectFailure" in error:
        return state.Refused(
            generation, "WhatsApp refused the login with a code unknown to the client library."
        )
    # So does a ban, and then nothing tells when it ends.
    if "TemporaryBan" in error:
        return state.Refused(
            generation, "WhatsApp banned this account for a time, for a reason unknown to the client library."
        )
    if error.startswith("failed to dial"):
        why = next((words for sign, words in _UNREACHABLE.items() if sign in error), "no connection")
        return state.Ended(generation, f"{state.UNREACHABLE}: {why}.")
    return state.Ended(generation, "The client library stopped.")


def _state(code: int, payload: bytes, generation: int) -> state.ClientEvent | None:
    from whatsapp_mcp.protobufs import Neonize

    match code:
        case EventCode.CONNECTED:
            return state.Online(generation)
        case EventCode.DISCONNECTED:
            return state.Disconnected(generation)
        case EventCode.KEEP_ALIVE_TIMEOUT:
            return state.Doubtful(generation, "WhatsApp does not answer keep-alives.")
        case EventCode.KEEP_ALIVE_RESTORED:
            return state.Answered(generation)
        case EventCode.STREAM_REPLACED:
            return state.Replaced(generation)
        case EventCode.CLIENT_OUTDATED:
            return state.Outdated(generation)
        case EventCode.LOGGED_OUT:
            reason = parsed(Neonize.LoggedOut, payload).Reason
            return state.LoggedOut(
                generation, _LOGOUTS.get(reason, "This companion was removed on the phone.")
            )
        case EventCode.TEMPORARY_BAN:
            return _ban(parsed(Neonize.TemporaryBan, payload), generation)
        case EventCode.CONNECT_FAILURE:
            return _refused(parsed(Neonize.ConnectFailure, payload), generation)
        case EventCode.PAIR_STATUS:
            return _paired(parsed(Neonize.PairStatus, payload), generation)
        case _:
            return None


def _ban(ban: Neonize.TemporaryBan, generation: int) -> state.ClientEvent:
    reason = f"WhatsApp banned this account for a time: {_BANS.get(ban.Code, f'code {ban.Code}')}."
    return state.Banned(generation, reason, ban_seconds(ban.Expire))


def ban_seconds(expire: int) -> float:
    """Seconds of a ban from the library's number, a Go duration in nanoseconds or plain seconds."""
    return expire / 1e9 if expire >= 1_000_000_000 else float(expire)


def _refused(failure: Neonize.ConnectFailure, generation: int) -> state.ClientEvent:
    return state.Refused(generation, f"WhatsApp refused the login (code {failure.Reason}).")


def _paired(status: Neonize.PairStatus, generation: int) -> state.ClientEvent:
    if status.Status == status.ERROR:
        return state.Ended(generation, "the phone and the companion disagree.")
    return state.Paired(generation)


def paired_number(payload: str) -> str | None:
    """The user part of the jid of a phone that has taken a code; None if it has failed, or says nothing.

    Args:
        payload: Of the event `PAIR_STATUS`, in base64.
    """
    from whatsapp_mcp.protobufs import Neonize

    try:
        status = parsed(Neonize.PairStatus, base64.b64decode(payload))
    except DecodeError:
        return None
    return None if status.Status == status.ERROR else status.ID.User or None


def is_from_phone(code: int, payload: bytes) -> bool:
    """Return whether the account's phone itself sent an event: a thing it wrote, read or handed over."""
    from whatsapp_mcp.protobufs import Neonize

    try:
        match code:
            case EventCode.HISTORY_SYNC:
                return True
            case EventCode.MESSAGE:
                source = parsed(Neonize.Message, payload).Info.MessageSource
            case EventCode.RECEIPT:
                source = parsed(Neonize.Receipt, payload).MessageSource
            case _:
                return False
    except DecodeError:
        return False
    return source.IsFromMe and source.Sender.Device == 0
