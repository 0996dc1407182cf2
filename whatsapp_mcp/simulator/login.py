"""A linked companion's link: who it is, and what becomes of each stanza it sends."""

from whatsapp_mcp.jid import Jid
from whatsapp_mcp.simulator import (
    app_state_queries,
    calls,
    channels,
    group_queries,
    media,
    messages,
    pictures,
    prekeys,
    presence,
    profiles,
    queries,
    receipts,
    usync,
)
from whatsapp_mcp.simulator.binary import Node
from whatsapp_mcp.simulator.companion import Companion
from whatsapp_mcp.simulator.connection import Connection
from whatsapp_mcp.simulator.network import Network

HANDLERS: queries.Table = {
    **queries.TABLE,
    **prekeys.TABLE,
    **usync.TABLE,
    **profiles.TABLE,
    **pictures.TABLE,
    **media.TABLE,
    **group_queries.TABLE,
    **channels.TABLE,
    **app_state_queries.TABLE,
}
"""Who answers which of a companion's queries."""

_STRANGER = {"reason": "401", "location": "sim"}
_UNLINKING = frozenset({"401", "403", "406"})
"""Refusals for good: the client deletes its session, and the servers forget the companion."""


async def serve(network: Network, connection: Connection) -> None:
    """Log a client in and serve it until the link ends; a stranger gets `<failure reason=401>`."""
    companion = _companion_of(network, connection)
    failure = network.faults.login_failure
    if companion is None:
        await _refuse(network, connection, failure or _STRANGER)
    elif failure is not None:
        if failure["reason"] in _UNLINKING:
            companion.phone.unlink(companion)
        await _refuse(network, connection, failure)
    else:
        await _log_in(companion, connection)


def _companion_of(network: Network, connection: Connection) -> Companion | None:
    payload = connection.client_payload
    party = network.party(Jid.phone(str(payload.username)))
    companion = party.companions.get(payload.device) if party else None
    known = companion is not None and companion.noise_public == connection.client_static
    return companion if known else None


async def _refuse(network: Network, connection: Connection, failure: dict[str, str]) -> None:
    async def ignore(node: Node) -> None:
        del node

    connection.send(Node("failure", dict(failure)))
    network.start(connection.close, network.faults.close_delay)
    await connection.serve(ignore)


async def _log_in(companion: Companion, connection: Connection) -> None:
    """Serve a client as that companion until the link ends; one that is logged in already is replaced."""
    network = companion.network
    if companion.connection is not None:
        conflict = Node("stream:error", {}, [Node("conflict", {"type": "replaced"})])
        companion.connection.send(conflict)
        former, companion.connection = companion.connection, None
        await former.close(network.faults.close_delay)
    companion.connection, companion.active = connection, False
    connection.send(Node("success", {"t": network.timestamp(), "lid": companion.lid, "location": "sim"}))
    if not connection.client_payload.passive:
        companion.activate()
    network.notify()

    async def handle(node: Node) -> None:
        accept(companion, node)

    try:
        await connection.serve(handle)
    finally:
        if companion.connection is connection:
            companion.disconnected()


def accept(companion: Companion, node: Node) -> None:
    """Take one stanza of a client; a malformed one is noted."""
    try:
        _stanza(companion, node)
    except queries.MALFORMED as error:
        companion.network.remark("malformed", f"{node!r}: {error!r}")


def _stanza(companion: Companion, node: Node) -> None:
    match node.tag:
        case "iq":
            queries.answer(companion, node, HANDLERS)
        case "message":
            messages.accept(companion, node)
        case "receipt":
            receipts.accept(companion, node)
        case "ack":
            kept_by_type = node.get("class") in ("receipt", "notification")
            companion.settle(node.get("class"), node.get("id"), node.get("type") if kept_by_type else "")
        case "presence":
            presence.accept_presence(companion, node)
        case "chatstate":
            presence.accept_chatstate(companion, node)
        case "call":
            calls.accept(companion, node)
        case "ib":
            pass
        case _:
            companion.network.remark("unknown", repr(node))
