"""The messages between a leader and the processes that use its device."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from typing import Any, Final

from anyio.abc import ByteStream
from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from whatsapp_mcp import __version__
from whatsapp_mcp.device.leader.remote import PING
from whatsapp_mcp.device.operations import Devices
from whatsapp_mcp.device.operations.registry import OPERATIONS
from whatsapp_mcp.errors import Busy, Unsupported
from whatsapp_mcp.models import UNKNOWN, Caller
from whatsapp_mcp.processes.admission import HELLO, Guest, greeted_peer
from whatsapp_mcp.processes.rpc import Params, Peer

PROTOCOL: Final = 20
"""Number of the socket's protocol, raised by one with every change of the types that cross the socket.
Servers of different numbers refuse each other. Another connection state needs no new number."""
_HELLO_DEADLINE: Final = 3.0
"""Seconds in which a leader answers a greeting."""

_CALLER: Final = TypeAdapter(Caller)


class Hello(TypedDict):
    """The introduction of a follower; `secret` is the one from `endpoint.connect`."""

    protocol: int
    version: str
    secret: str


class Welcome(TypedDict):
    """The leader's answer to `Hello`; every version must be able to read it."""

    protocol: int
    version: str
    pid: int


async def serve(devices: Devices, stream: ByteStream, guest: Guest, secret: str) -> None:
    """Answer one who uses the device, until the connection closes.

    Args:
        devices: Holds the device.
        stream: The connection.
        guest: Whose it is.
        secret: What the other side has to show first.
    """

    async def hello(params: Params) -> Welcome:
        shown = str(params.get("secret", "")).encode(errors="replace")
        # In constant time: how long it takes must not tell how much of the secret was right.
        if hmac.compare_digest(shown, secret.encode()):
            guest.admit()
        return Welcome(protocol=PROTOCOL, version=__version__, pid=os.getpid())

    async def answer(method: str, params: Params) -> Any:
        if method == PING:
            return None
        return await _operate(devices, method, params, lambda: peer.closed)

    async with greeted_peer(stream, guest, hello, answer) as peer:
        await peer.wait_closed()


async def _operate(devices: Devices, method: str, params: Params, has_ended: Callable[[], bool]) -> Any:
    operation = OPERATIONS.get(method)
    if operation is None:
        raise Unsupported(
            f"The leader (version {__version__}) does not know {method!r}.",
            "Upgrade whatsapp-mcp there and restart it.",
        )
    caller, arguments = _caller(params.get("caller")), operation.load(_members(params.get("arguments")))
    async with devices.use() as device:
        result = await device.acting_for(caller).perform(operation, arguments, has_ended)
    return operation.result.dump_python(result, mode="json")


def _caller(given: Any) -> Caller:
    """Return the caller for whom a program at the socket asks; `UNKNOWN` if it names none."""
    try:
        return _CALLER.validate_python(given)
    except ValidationError:
        return UNKNOWN


def _members(given: Any) -> Params:
    return given if isinstance(given, dict) else {}


async def greet(peer: Peer, secret: str) -> int:
    """Begin to use the leader at the other end; its process id.

    Raises:
        Busy: It is of another protocol, or its secret is not there.
        WhatsAppError: It does not answer.
    """
    leader = await say_hello(peer, secret)
    if (refused := refusal(leader)) is not None:
        raise refused
    if not secret:
        raise Busy("The secret of the leader's socket is missing; the leader writes it again within seconds.")
    return int(leader["pid"])


async def say_hello(peer: Peer, secret: str) -> Welcome:
    """Introduce this process to the leader at the other end; its answer.

    Raises:
        WhatsAppError: It does not answer.
    """
    hello = Hello(protocol=PROTOCOL, version=__version__, secret=secret)
    return await peer.call(HELLO, dict(hello), deadline=_HELLO_DEADLINE)


def refusal(leader: Welcome) -> Busy | None:
    """Why a leader of another protocol cannot be used."""
    theirs, version = int(leader["protocol"]), leader["version"]
    if theirs == PROTOCOL:
        return None
    older, which = (__version__, "this server") if theirs > PROTOCOL else (version, "the leader")
    return Busy(
        f"Process {leader['pid']} leads the account with version {version}; this is version {__version__}.",
        f"Upgrade {which} (version {older}) and restart it.",
    )
