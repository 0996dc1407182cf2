"""Queries about how an account shows itself: privacy settings, block list, about text, picture."""

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


def _picture(companion: Companion, iq: Node) -> Sequence[Node]:
    del companion, iq
    raise QueryError(404, "item-not-found")


TABLE: Table = {
    ("privacy", "get", "privacy"): _privacy,
    ("privacy", "set", "privacy"): _set_privacy,
    ("privacy", "set", "tokens"): nothing,
    ("blocklist", "get", ""): _blocklist,
    ("blocklist", "set", "item"): _change_blocklist,
    ("status", "set", "status"): _set_about,
    ("w:profile:picture", "get", "picture"): _picture,
}
"""Handlers for `queries.answer`."""
