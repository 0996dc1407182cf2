"""Queries about users (`usync`): who has WhatsApp, under which addresses, with which devices."""

from __future__ import annotations

from collections.abc import Sequence

from whatsapp_mcp.jid import LID_SERVER, USER_SERVER, Jid
from whatsapp_simulator import devices
from whatsapp_simulator.account import Client
from whatsapp_simulator.binary import Node
from whatsapp_simulator.queries import Table
from whatsapp_simulator.user import User

_ECHOED = ("sid", "mode", "context", "index", "last")


def _usync(client: Client, iq: Node) -> Sequence[Node]:
    usync = iq.children[0]
    query, asked = usync.child("query"), usync.child("list")
    fields = query.children if query else ()
    users = [_user(client, each, fields) for each in (asked.children if asked else ())]
    result = Node("result", {}, [Node(field.tag) for field in fields])
    attrs = {name: usync.attrs[name] for name in _ECHOED if name in usync.attrs}
    return [Node("usync", attrs, [result, Node("list", {}, users)])]


def _user(client: Client, asked: Node, fields: Sequence[Node]) -> Node:
    contact = asked.child("contact")
    jid = asked.jid("jid")
    if contact is not None:
        jid = Jid(contact.data.decode().partition("@")[0].lstrip("+"), USER_SERVER)
    user = client.network.user(jid) if jid else None
    if user is None or jid is None:
        answers = [Node("contact", {"type": "out"}, contact.data)] if contact else []
        return Node("user", {"jid": jid}, answers)
    answers: list[Node] = []
    by_lid = False
    for field in fields:
        if field.tag == "contact":
            by_lid = field.get("addressing_mode") == "lid"
            answers.append(Node("contact", {"type": "in"}, contact.data if contact else None))
        else:
            answers.extend(_answer(user, jid, field.tag))
    if by_lid:
        return Node("user", {"jid": user.lid, "pn_jid": user.pn}, answers)
    return Node("user", {"jid": jid}, answers)


def _answer(user: User, jid: Jid, field: str) -> list[Node]:
    """The answer about a user to one protocol of the query, if there is one."""
    match field:
        case "devices":
            return [devices.listed(user, jid)]
        case "lid":
            return [Node("lid", {"val": user.lid})] if jid.server != LID_SERVER else []
        case "status":
            return [Node("status", {"t": user.simulation.timestamp()}, user.about)]
        case "picture":
            return [Node("picture", {"id": user.picture.id})] if user.picture else []
        case "business":
            name = user.verified_name
            return [Node("business", {}, [name])] if name else []
        case "disappearing_mode":
            return [Node("disappearing_mode", {"duration": 0, "t": 0})]
        case _:
            return []


TABLE: Table = {("usync", "get", "usync"): _usync}
"""Handlers for `queries.answer`."""
