"""The login and the connection of a linked companion: each of its stanzas goes to its handler."""

from whatsapp_mcp.jid import Jid
from whatsapp_simulator import (
    calls,
    channel_queries,
    devices,
    group_queries,
    messages,
    presence,
    profiles,
    queries,
    receipts,
)
from whatsapp_simulator.account import Account, Client
from whatsapp_simulator.binary import Node
from whatsapp_simulator.connection import Connection
from whatsapp_simulator.network import Network

HANDLERS: queries.Table = {
    **queries.TABLE,
    **profiles.TABLE,
    **group_queries.TABLE,
    **channel_queries.TABLE,
}
"""The handlers of a companion's queries."""

_STRANGER = {"reason": "401", "location": "sim"}
_UNLINKING = frozenset({"401", "403", "406"})
"""Permanent refusals: the client deletes its session, and the servers remove the companion."""


async def serve(network: Network, connection: Connection) -> None:
    """Log a client in and serve it until the connection ends; an unknown one gets `<failure reason=401>`."""
    client = _client_of(network, connection)
    failure = network.faults.login_failure
    if client is None:
        await _refuse(network, connection, failure or _STRANGER)
    elif failure is not None:
        if failure["reason"] in _UNLINKING:
            devices.unlink(client.account, client.companion)
        await _refuse(network, connection, failure)
    else:
        await _log_in(client, connection)


def _client_of(network: Network, connection: Connection) -> Client | None:
    payload = connection.client_payload
    account = network.user(Jid.phone(str(payload.username)))
    if not isinstance(account, Account):
        return None
    companion = account.companions.get(payload.device)
    if companion is None or companion.noise_public != connection.client_static:
        return None
    return Client(account, companion)


async def _refuse(network: Network, connection: Connection, failure: dict[str, str]) -> None:
    async def ignore(node: Node) -> None:
        del node

    connection.send(Node("failure", dict(failure)))
    # Read until the close: a socket closed with unread data is reset, and the client would lose the refusal.
    network.start(connection.close, network.faults.close_delay)
    await connection.serve(ignore)


async def _log_in(client: Client, connection: Connection) -> None:
    """Serve a client as that companion until the connection ends; it replaces one that is logged in."""
    network, companion = client.network, client.companion
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
        accept(client, node)

    try:
        await connection.serve(handle)
    finally:
        if companion.connection is connection:
            companion.disconnected()


def accept(client: Client, node: Node) -> None:
    """Handle one stanza of a client; a malformed one is logged."""
    try:
        _stanza(client, node)
    except queries.MALFORMED as error:
        client.network.log_anomaly("malformed", f"{node!r}: {error!r}")


def _stanza(client: Client, node: Node) -> None:
    match node.tag:
        case "iq":
            queries.answer(client, node, HANDLERS)
        case "message":
            messages.accept(client, node)
        case "receipt":
            receipts.accept(client, node)
        case "ack":
            kept_by_type = node.get("class") in ("receipt", "notification")
            client.companion.settle(
                node.get("class"), node.get("id"), node.get("type") if kept_by_type else ""
            )
        case "presence":
            presence.accept_presence(client, node)
        case "chatstate":
            presence.accept_chatstate(client, node)
        case "call":
            calls.accept(client, node)
        case "ib":
            pass
        case _:
            client.network.log_anomaly("unknown", repr(node))
