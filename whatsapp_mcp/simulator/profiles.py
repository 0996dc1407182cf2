"""Queries about how an account shows itself: privacy settings, block list and about text."""

from __future__ import annotations

from collections.abc import Sequence

from whatsapp_mcp.simulator.binary import Node
from whatsapp_mcp.simulator.companion import Companion
from whatsapp_mcp.simulator.queries import QueryError, Table, nothing


def _privacy(companion: Companion, iq: Node) -> Sequence[Node]:
    del iq
    settings = companion.phone.privacy.items()
    return [
        Node("privacy", {}, [Node("category", {"name": name, "value": value}) for name, value in settings])
    ]


def _set_privacy(companion: Companion, iq: Node) -> Sequence[Node]:
    privacy = iq.child("privacy")
    for category in privacy.children if privacy else ():
        companion.phone.privacy[category.get("name")] = category.get("value")
    return [privacy] if privacy else []


def _blocklist(companion: Companion, iq: Node) -> Sequence[Node]:
    del iq
    items = [Node("item", {"jid": jid}) for jid in companion.phone.blocked]
    return [Node("list", {"dhash": f"2:{len(items)}"}, items)]


def _change_blocklist(companion: Companion, iq: Node) -> Sequence[Node]:
    for item in iq.children:
        jid = item.jid("jid")
        if jid is None:
            raise QueryError(400, "bad-request")
        if item.get("action") == "block":
            companion.phone.blocked[jid] = None
        else:
            companion.phone.blocked.pop(jid, None)
    return _blocklist(companion, iq)


def _set_about(companion: Companion, iq: Node) -> Sequence[Node]:
    status = iq.child("status")
    companion.phone.about = status.data.decode() if status else ""
    return ()


def _status_privacy(companion: Companion, iq: Node) -> Sequence[Node]:
    del companion, iq
    return [Node("privacy", {}, [Node("list", {"type": "contacts", "default": "true"})])]


def _disappearing(companion: Companion, iq: Node) -> Sequence[Node]:
    companion.phone.default_disappearing = int(iq.children[0].get("duration", "0"))
    return ()


def _contact_code(companion: Companion, iq: Node) -> Sequence[Node]:
    del iq
    return [
        Node("qr", {"code": companion.network.random(f"qr {companion.phone.pn.user}").randbytes(9).hex()})
    ]


TABLE: Table = {
    ("status", "get", "privacy"): _status_privacy,
    ("disappearing_mode", "set", "disappearing_mode"): _disappearing,
    ("w:qr", "set", "qr"): _contact_code,
    ("privacy", "get", "privacy"): _privacy,
    ("privacy", "set", "privacy"): _set_privacy,
    ("privacy", "set", "tokens"): nothing,
    ("blocklist", "get", ""): _blocklist,
    ("blocklist", "set", "item"): _change_blocklist,
    ("status", "set", "status"): _set_about,
}
"""Handlers for `queries.answer`."""
