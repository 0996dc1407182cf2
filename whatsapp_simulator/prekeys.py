"""Queries about published keys (`encrypt`): a companion uploads its own, and fetches those of others."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha1

from whatsapp_mcp.jid import Jid
from whatsapp_simulator import bundles
from whatsapp_simulator.account import Client
from whatsapp_simulator.binary import Node
from whatsapp_simulator.companion import Companion
from whatsapp_simulator.queries import Table
from whatsapp_simulator.signal.session import PreKeyBundle


def _count(client: Client, iq: Node) -> Sequence[Node]:
    del iq
    return [Node("count", {"value": len(client.companion.prekeys)})]


def _upload(client: Client, iq: Node) -> Sequence[Node]:
    keys = iq.child("list")
    for key in keys.children if keys else ():
        number, value = key.child("id"), key.child("value")
        if number is not None and value is not None:
            client.companion.prekeys[int.from_bytes(number.data, "big")] = value.data
    _take_signed_prekey(client.companion, iq)
    return ()


def _take_signed_prekey(companion: Companion, parent: Node) -> None:
    signed = parent.child("skey")
    if signed is not None:
        number, value, signature = (signed.child(tag) for tag in ("id", "value", "signature"))
        if number and value and signature:
            companion.signed_prekey_id = int.from_bytes(number.data, "big")
            companion.signed_prekey, companion.signed_prekey_signature = (
                value.data,
                signature.data,
            )


def _digest(client: Client, iq: Node) -> Sequence[Node]:
    """A digest of a companion's published keys, for comparison with its own."""
    del iq
    companion = client.companion
    held = [
        companion.identity,
        companion.signed_prekey,
        companion.signed_prekey_signature,
    ]
    digest = sha1(b"".join([*held, *companion.prekeys.values()])).digest()  # noqa: S324
    bundle = companion.bundle()
    children = [
        bundles.registration(bundle),
        *bundles.keys(bundle),
        Node("list", {}, [Node("id", {}, number.to_bytes(3, "big")) for number in companion.prekeys]),
        Node("hash", {}, digest),
    ]
    return [Node("digest", {}, children)]


def _rotate(client: Client, iq: Node) -> Sequence[Node]:
    """Store a companion's new signed prekey."""
    rotated = iq.children[0]
    _take_signed_prekey(client.companion, rotated)
    return ()


def _user(jid: Jid, bundle: PreKeyBundle) -> Node:
    return Node("user", {"jid": jid}, [bundles.registration(bundle), *bundles.keys(bundle)])


def _bundles(client: Client, iq: Node) -> Sequence[Node]:
    asked = iq.child("key")
    users: list[Node] = []
    for each in asked.children if asked else ():
        jid = each.jid("jid")
        user = client.network.user(jid) if jid else None
        if jid is None:
            continue
        if user is not None and jid.device == 0:
            users.append(_user(jid, user.bundle()))
        elif user is not None and jid.device in user.companions:
            users.append(_user(jid, user.companions[jid.device].take_bundle()))
        else:
            users.append(Node("user", {"jid": jid}, [Node("error", {"code": 404, "text": "item-not-found"})]))
    return [Node("list", {}, users)]


TABLE: Table = {
    ("encrypt", "get", "count"): _count,
    ("encrypt", "set", "registration"): _upload,
    ("encrypt", "get", "key"): _bundles,
    ("encrypt", "get", "digest"): _digest,
    ("encrypt", "set", "rotate"): _rotate,
}
"""Handlers for `queries.answer`."""
