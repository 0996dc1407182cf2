"""The answers to a companion's queries (`<iq>`).

A query is known by its namespace, its type and the tag of its first child. A handler returns the
children of the result, or raises `QueryError`. Other modules bring tables of their own; `login.TABLES`
lists them all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha1
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.jid import LID_SERVER, USER_SERVER, Jid
from whatsapp_mcp.simulator import bundles, business, devices
from whatsapp_mcp.simulator.binary import SERVER, Node
from whatsapp_mcp.simulator.companion import Companion
from whatsapp_mcp.simulator.signal.session import PreKeyBundle

if TYPE_CHECKING:
    from whatsapp_mcp.simulator.party import Party

Handler = Callable[[Companion, Node], Sequence[Node]]
"""Answers one query of one companion."""

Table = Mapping[tuple[str, str, str], Handler]
"""Handlers by namespace, type and tag of the first child (empty when there is none)."""


MALFORMED = (LookupError, ValueError, DecodeError, InvalidArgument)
"""What a handler raises for a stanza that makes no sense."""


class QueryError(Exception):
    """The query is answered by an error with this code and text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text


def nothing(companion: Companion, iq: Node) -> Sequence[Node]:
    """An empty result."""
    del companion, iq
    return ()


def _rest(companion: Companion, iq: Node) -> Sequence[Node]:
    """Deliver nothing more to a companion until it is active again."""
    del iq
    companion.active = False
    companion.network.notify()
    return ()


def _prekey_count(companion: Companion, iq: Node) -> Sequence[Node]:
    del iq
    return [Node("count", {"value": len(companion.prekeys)})]


def _upload_prekeys(companion: Companion, iq: Node) -> Sequence[Node]:
    keys = iq.child("list")
    for key in keys.children if keys else ():
        number, value = key.child("id"), key.child("value")
        if number is not None and value is not None:
            companion.prekeys[int.from_bytes(number.data, "big")] = value.data
    _take_signed_prekey(companion, iq)
    return ()


def _take_signed_prekey(companion: Companion, parent: Node) -> None:
    signed = parent.child("skey")
    if signed is not None:
        number, value, signature = (signed.child(tag) for tag in ("id", "value", "signature"))
        if number and value and signature:
            companion.signed_prekey_id = int.from_bytes(number.data, "big")
            companion.signed_prekey, companion.signed_prekey_signature = value.data, signature.data


def _digest(companion: Companion, iq: Node) -> Sequence[Node]:
    """What the servers hold of a companion's keys, for it to compare with its own."""
    del iq
    held = [companion.identity, companion.signed_prekey, companion.signed_prekey_signature]
    digest = sha1(b"".join([*held, *companion.prekeys.values()])).digest()  # noqa: S324
    bundle = companion.bundle()
    children = [
        bundles.registration(bundle),
        *bundles.keys(bundle),
        Node("list", {}, [Node("id", {}, number.to_bytes(3, "big")) for number in companion.prekeys]),
        Node("hash", {}, digest),
    ]
    return [Node("digest", {}, children)]


def _rotate(companion: Companion, iq: Node) -> Sequence[Node]:
    """Take a companion's new signed prekey."""
    rotated = iq.children[0]
    _take_signed_prekey(companion, rotated)
    return ()


def _user(jid: Jid, bundle: PreKeyBundle) -> Node:
    return Node("user", {"jid": jid}, [bundles.registration(bundle), *bundles.keys(bundle)])


def _prekeys(companion: Companion, iq: Node) -> Sequence[Node]:
    asked = iq.child("key")
    users: list[Node] = []
    for each in asked.children if asked else ():
        jid = each.jid("jid")
        party = companion.network.party(jid) if jid else None
        if jid is None:
            continue
        if party is not None and jid.device == 0:
            users.append(_user(jid, party.bundle()))
        elif party is not None and jid.device in party.companions:
            users.append(_user(jid, party.companions[jid.device].take_bundle()))
        else:
            users.append(Node("user", {"jid": jid}, [Node("error", {"code": 404, "text": "item-not-found"})]))
    return [Node("list", {}, users)]


def _usync(companion: Companion, iq: Node) -> Sequence[Node]:
    usync = iq.child("usync")
    query = usync.child("query") if usync else None
    asked = usync.child("list") if usync else None
    fields = list(query.children) if query else []
    users = [_usync_user(companion, user, fields) for user in (asked.children if asked else ())]
    result = Node("result", {}, [Node(field.tag) for field in fields])
    attrs = (
        {}
        if usync is None
        else {
            key: usync.attrs[key] for key in ("sid", "mode", "context", "index", "last") if key in usync.attrs
        }
    )
    return [Node("usync", attrs, [result, Node("list", {}, users)])]


def _usync_user(companion: Companion, user: Node, fields: list[Node]) -> Node:
    contact = user.child("contact")
    jid = user.jid("jid")
    if contact is not None:
        jid = Jid(contact.data.decode().partition("@")[0].lstrip("+"), USER_SERVER)
    party = companion.network.party(jid) if jid else None
    if party is None or jid is None:
        answers = [Node("contact", {"type": "out"}, contact.data)] if contact else []
        return Node("user", {"jid": jid}, answers)
    answers: list[Node] = []
    by_lid = False
    for field in fields:
        if field.tag == "contact":
            by_lid = field.get("addressing_mode") == "lid"
            answers.append(Node("contact", {"type": "in"}, contact.data if contact else None))
        else:
            answers.extend(_usync_answer(party, jid, field.tag))
    if by_lid:
        return Node("user", {"jid": party.lid, "pn_jid": party.pn}, answers)
    return Node("user", {"jid": jid}, answers)


def _usync_answer(party: Party, jid: Jid, field: str) -> list[Node]:
    """What is told of somebody under one heading, if there is anything."""
    match field:
        case "devices":
            return [devices.listed(party, jid)]
        case "lid":
            return [Node("lid", {"val": party.lid})] if jid.server != LID_SERVER else []
        case "status":
            return [Node("status", {"t": party.network.timestamp()}, party.about)]
        case "picture":
            return [Node("picture", {"id": party.picture.id})] if party.picture else []
        case "business":
            name = business.verified_name(party)
            return [Node("business", {}, [name])] if name else []
        case "disappearing_mode":
            return [Node("disappearing_mode", {"duration": 0, "t": 0})]
        case _:
            return []


def _props(companion: Companion, iq: Node) -> Sequence[Node]:
    """The switches of experiments (AB props): none."""
    del companion, iq
    return [Node("props", {"protocol": 1, "hash": "sim", "refresh": 86400, "refresh_id": 0})]


def _bots(companion: Companion, iq: Node) -> Sequence[Node]:
    """The list of bots: there are none."""
    del companion
    return [Node("bot", {"v": iq.children[0].get("v")}, [Node("section", {"type": "all", "name": "All"})])]


def _log_out(companion: Companion, iq: Node) -> Sequence[Node]:
    del iq
    companion.phone.unlink(companion)
    return ()


TABLE: Table = {
    ("encrypt", "get", "count"): _prekey_count,
    ("encrypt", "set", "registration"): _upload_prekeys,
    ("encrypt", "get", "key"): _prekeys,
    ("encrypt", "get", "digest"): _digest,
    ("encrypt", "set", "rotate"): _rotate,
    ("abt", "get", "props"): _props,
    ("urn:xmpp:whatsapp:dirty", "set", "clean"): nothing,
    ("urn:xmpp:whatsapp:push", "get", "settings"): nothing,
    ("urn:xmpp:whatsapp:push", "set", "config"): nothing,
    ("tos", "set", "notice"): nothing,
    ("bot", "get", "bot"): _bots,
    ("passive", "set", "active"): nothing,
    ("passive", "set", "passive"): _rest,
    ("w:p", "get", ""): nothing,
    ("w:p", "get", "ping"): nothing,
    ("usync", "get", "usync"): _usync,
    ("md", "set", "remove-companion-device"): _log_out,
}
"""Handlers of what every client asks in the background."""


def _handled(handler: Handler, companion: Companion, iq: Node) -> Sequence[Node]:
    try:
        return handler(companion, iq)
    except MALFORMED as error:
        companion.network.remark("malformed", f"{iq!r}: {error!r}")
        raise QueryError(400, "bad-request") from error


def answer(companion: Companion, iq: Node, tables: Sequence[Table]) -> None:
    """Answer a query by the first table that knows it; one that none knows is refused and noted."""
    network, connection = companion.network, companion.connection
    faults = network.faults
    xmlns, kind = iq.get("xmlns"), iq.get("type")
    first = iq.children[0].tag if iq.children else ""
    if connection is None or kind in ("result", "error"):
        return
    if faults.ignore_queries & {xmlns, "*"} or (faults.ignore_pings and xmlns == "w:p"):
        return
    attrs = {"from": iq.jid("to") or SERVER, "id": iq.get("id")}
    handler = next((table[xmlns, kind, first] for table in tables if (xmlns, kind, first) in table), None)
    if handler is None:
        network.remark("unanswered", repr(iq))
        refusal = Node("error", {"code": 501, "text": "feature-not-implemented"})
        connection.send(Node("iq", {**attrs, "type": "error"}, [refusal]))
        return
    try:
        result = _handled(handler, companion, iq)
    except QueryError as error:
        refusal = Node("error", {"code": error.code, "text": error.text})
        connection.send(Node("iq", {**attrs, "type": "error"}, [refusal]))
        return
    connection.send(Node("iq", {**attrs, "type": "result"}, list(result) or None))
    if (xmlns, kind, first) == ("passive", "set", "active"):
        companion.activate()
