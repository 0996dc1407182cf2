"""Queries about users (`usync`): who has WhatsApp, under which addresses, with which devices."""

from __future__ import annotations

from collections.abc import Sequence

from whatsapp_mcp.jid import LID_SERVER, USER_SERVER, Jid
from whatsapp_mcp.simulator import devices
from whatsapp_mcp.simulator.account import Client
from whatsapp_mcp.simulator.binary import Node
from whatsapp_mcp.simulator.party import Party
from whatsapp_mcp.simulator.queries import Table

_ECHOED = ("sid", "mode", "context", "index", "last")


def _usync(client: Client, iq: Node) -> Sequence[Node]:
    usync = iq.children[0]
    query, asked = usync.child("query"), usync.child("list")
    fields = query.children if query else ()
    users = [_user(client, each, fields) for each in (asked.children if asked else ())]
    result = Node("result", {}, [Node(field.tag) for field in fields])
    attrs = {name: usync.attrs[name] for name in _ECHOED if name in usync.attrs}
    return [Node("usync", attrs, [result, Node("list", {}, users)])]


def _user(client: Client, user: Node, fields: Sequence[Node]) -> Node:
    contact = user.child("contact")
    jid = user.jid("jid")
    if contact is not None:
        jid = Jid(contact.data.decode().partition("@")[0].lstrip("+"), USER_SERVER)
    party = client.network.party(jid) if jid else None
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
            answers.extend(_told(party, jid, field.tag))
    if by_lid:
        return Node("user", {"jid": party.lid, "pn_jid": party.pn}, answers)
    return Node("user", {"jid": jid}, answers)


def _told(party: Party, jid: Jid, field: str) -> list[Node]:
    """What is told of somebody under one heading, if there is anything."""
    match field:
        case "devices":
            return [devices.listed(party, jid)]
        case "lid":
            return [Node("lid", {"val": party.lid})] if jid.server != LID_SERVER else []
        case "status":
            return [Node("status", {"t": party.simulation.timestamp()}, party.about)]
        case "picture":
            return [Node("picture", {"id": party.picture.id})] if party.picture else []
        case "business":
            name = party.verified_name
            return [Node("business", {}, [name])] if name else []
        case "disappearing_mode":
            return [Node("disappearing_mode", {"duration": 0, "t": 0})]
        case _:
            return []


TABLE: Table = {("usync", "get", "usync"): _usync}
"""Handlers for `queries.answer`."""
