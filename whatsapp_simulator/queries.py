"""The answers to a companion's queries (`<iq>`).

A query is identified by its namespace, its type and the tag of its first child. A handler returns the
children of the result, or raises `QueryError`. Other modules have handler tables of their own;
`login.HANDLERS` combines them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from google.protobuf.message import DecodeError

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_simulator import devices
from whatsapp_simulator.account import Client
from whatsapp_simulator.binary import SERVER, Node
from whatsapp_simulator.media import HOSTS

_CONNECTION_SECONDS = 6 * 3600

Handler = Callable[[Client, Node], Sequence[Node]]
"""Answers one query of one companion."""

Table = Mapping[tuple[str, str, str], Handler]
"""Handlers by namespace, type and tag of the first child (empty when there is none)."""


MALFORMED = (LookupError, ValueError, DecodeError, InvalidArgument)
"""The exceptions that a handler raises for an invalid stanza."""


class QueryError(Exception):
    """The query is answered with an error of this code and text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text


def nothing(client: Client, iq: Node) -> Sequence[Node]:
    """An empty result."""
    del client, iq
    return ()


def _set_passive(client: Client, iq: Node) -> Sequence[Node]:
    """Stop delivering to a companion until it is active again."""
    del iq
    client.companion.active = False
    client.network.notify()
    return ()


def _props(client: Client, iq: Node) -> Sequence[Node]:
    """The flags of experiments (AB props): none."""
    del client, iq
    return [Node("props", {"protocol": 1, "hash": "sim", "refresh": 86400, "refresh_id": 0})]


def _bots(client: Client, iq: Node) -> Sequence[Node]:
    """The list of bots: none."""
    del client
    return [Node("bot", {"v": iq.children[0].get("v")}, [Node("section", {"type": "all", "name": "All"})])]


def _media_conn(client: Client, iq: Node) -> Sequence[Node]:
    """The media hosts, and the credential for uploads."""
    del iq
    attrs = {
        "auth": client.network.media.auth,
        "ttl": _CONNECTION_SECONDS,
        "auth_ttl": _CONNECTION_SECONDS,
        "max_buckets": 12,
    }
    return [Node("media_conn", attrs, [Node("host", {"hostname": host}) for host in HOSTS])]


def _log_out(client: Client, iq: Node) -> Sequence[Node]:
    del iq
    devices.unlink(client.account, client.companion)
    return ()


TABLE: Table = {
    ("abt", "get", "props"): _props,
    ("urn:xmpp:whatsapp:dirty", "set", "clean"): nothing,
    ("urn:xmpp:whatsapp:push", "get", "settings"): nothing,
    ("urn:xmpp:whatsapp:push", "set", "config"): nothing,
    ("tos", "set", "notice"): nothing,
    ("bot", "get", "bot"): _bots,
    ("passive", "set", "active"): nothing,
    ("passive", "set", "passive"): _set_passive,
    ("w:p", "get", ""): nothing,
    ("w:p", "get", "ping"): nothing,
    ("w:m", "set", "media_conn"): _media_conn,
    ("md", "set", "remove-companion-device"): _log_out,
}
"""Handlers of the queries that every client makes in the background."""


def answer(client: Client, iq: Node, handlers: Table) -> None:
    """Answer a query with its handler; a query without a handler is refused and logged."""
    network, connection = client.network, client.companion.connection
    xmlns, kind = iq.get("xmlns"), iq.get("type")
    if connection is None or kind in ("result", "error") or network.faults.ignores(xmlns):
        return
    key = xmlns, kind, iq.children[0].tag if iq.children else ""
    try:
        outcome, content = "result", _handled(handlers.get(key), client, iq)
    except QueryError as error:
        outcome, content = "error", [Node("error", {"code": error.code, "text": error.text})]
    attrs = {"from": iq.jid("to") or SERVER, "id": iq.get("id"), "type": outcome}
    connection.send(Node("iq", attrs, list(content) or None))
    if outcome == "result" and key == ("passive", "set", "active"):
        client.companion.activate()


def _handled(handler: Handler | None, client: Client, iq: Node) -> Sequence[Node]:
    if handler is None:
        client.network.log_anomaly("unanswered", repr(iq))
        raise QueryError(501, "feature-not-implemented")
    refusal = client.network.faults.refuse_queries.get(iq.get("xmlns"))
    if refusal is not None:
        raise QueryError(refusal, "refused")
    try:
        return handler(client, iq)
    except MALFORMED as error:
        client.network.log_anomaly("malformed", f"{iq!r}: {error!r}")
        raise QueryError(400, "bad-request") from error
