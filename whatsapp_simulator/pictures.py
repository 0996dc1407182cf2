"""Profile pictures of people and groups."""

from __future__ import annotations

from collections.abc import Sequence

from whatsapp_simulator.account import Client
from whatsapp_simulator.binary import Node, Value
from whatsapp_simulator.groups import Group
from whatsapp_simulator.media import HOSTS, Blob, Picture
from whatsapp_simulator.network import Network
from whatsapp_simulator.queries import QueryError, Table
from whatsapp_simulator.user import User


def change(
    network: Network, owner: User | Group, data: bytes | None, author: User | None = None
) -> Picture | None:
    """Set or remove `owner`'s picture, and notify every companion that may see it."""
    picture = None if data is None else Picture(str(network.next_number()), data)
    owner.picture = picture
    if picture is not None:
        network.media.blobs[picture.name] = Blob(picture.data)
    attrs: dict[str, Value | int | None] = {
        "from": owner.jid,
        "type": "picture",
        "id": network.new_id(),
        "t": network.timestamp(),
    }
    by = author.jid if author else None
    if picture is None:
        body = Node("delete", {"jid": owner.jid, "author": by})
    else:
        body = Node("set", {"jid": owner.jid, "id": picture.id, "author": by})
    for phone in network.accounts:
        for companion in phone.companions.values():
            companion.deliver(Node("notification", attrs, [body]))
    return picture


def _owner(client: Client, iq: Node) -> User | Group:
    jid = iq.jid("target") or iq.jid("to")
    if jid is None or not jid.user:
        return client.account
    owner = client.network.groups.get(jid) or client.network.user(jid)
    if owner is None:
        raise QueryError(404, "item-not-found")
    return owner


def _look(client: Client, iq: Node) -> Sequence[Node]:
    picture = _owner(client, iq).picture
    asked = iq.child("picture")
    if picture is None or asked is None:
        raise QueryError(404, "item-not-found")
    if asked.get("id") == picture.id:
        raise QueryError(304, "not-modified")
    path = f"/v/pictures/{picture.name}?p=1"
    attrs = {
        "id": picture.id,
        "type": asked.get("type", "image"),
        "url": f"https://{HOSTS[0]}{path}",
        "direct_path": path,
    }
    return [Node("picture", attrs)]


def _set(client: Client, iq: Node) -> Sequence[Node]:
    body = iq.child("picture")
    picture = change(client.network, _owner(client, iq), body.data if body else None, client.account)
    return [Node("picture", {"id": picture.id})] if picture else []


TABLE: Table = {
    ("w:profile:picture", "get", "picture"): _look,
    ("w:profile:picture", "set", "picture"): _set,
    ("w:profile:picture", "set", ""): _set,
}
"""Handlers for `queries.answer`."""
