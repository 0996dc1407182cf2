"""Queries about profiles: privacy settings, block list, about text, business profile."""

from __future__ import annotations

from collections.abc import Sequence

from whatsapp_simulator import business
from whatsapp_simulator.account import Client
from whatsapp_simulator.binary import Node
from whatsapp_simulator.queries import QueryError, Table, nothing
from whatsapp_simulator.user import User


def _privacy(client: Client, iq: Node) -> Sequence[Node]:
    del iq
    settings = client.account.privacy.items()
    return [
        Node("privacy", {}, [Node("category", {"name": name, "value": value}) for name, value in settings])
    ]


def _set_privacy(client: Client, iq: Node) -> Sequence[Node]:
    privacy = iq.child("privacy")
    for category in privacy.children if privacy else ():
        client.account.privacy[category.get("name")] = category.get("value")
    return [privacy] if privacy else []


def _blocklist(client: Client, iq: Node) -> Sequence[Node]:
    del iq
    items = [Node("item", {"jid": jid}) for jid in client.account.blocked]
    return [Node("list", {"dhash": f"2:{len(items)}"}, items)]


def _change_blocklist(client: Client, iq: Node) -> Sequence[Node]:
    for item in iq.children:
        jid = item.jid("jid")
        if jid is None:
            raise QueryError(400, "bad-request")
        if item.get("action") == "block":
            client.account.blocked[jid] = None
        else:
            client.account.blocked.pop(jid, None)
    return _blocklist(client, iq)


def _set_about(client: Client, iq: Node) -> Sequence[Node]:
    status = iq.child("status")
    client.account.about = status.data.decode() if status else ""
    return ()


def _status_privacy(client: Client, iq: Node) -> Sequence[Node]:
    del client, iq
    return [Node("privacy", {}, [Node("list", {"type": "contacts", "default": "true"})])]


def _disappearing(client: Client, iq: Node) -> Sequence[Node]:
    client.account.default_disappearing = int(iq.children[0].get("duration", "0"))
    return ()


def contact_code(user: User) -> str:
    """The code of a user's contact link or QR code, after `https://wa.me/qr/`."""
    return user.simulation.random(f"qr {user.pn.user}").randbytes(9).hex().upper()


def _contact_code(client: Client, iq: Node) -> Sequence[Node]:
    del iq
    return [Node("qr", {"code": contact_code(client.account)})]


def _resolve_code(client: Client, iq: Node) -> Sequence[Node]:
    code = iq.children[0].get("code")
    user = next((each for each in client.network.users.values() if contact_code(each) == code), None)
    if user is None:
        raise QueryError(404, "item-not-found")
    name = user.business.name if user.business else None
    signed = {"is_signed": "true", "verified_name": name, "verified_level": "unknown"}
    about = [Node("business", signed)] if name else None
    return [Node("qr", {"type": "contact", "jid": user.pn, "notify": user.name}, about)]


def _business_profile(client: Client, iq: Node) -> Sequence[Node]:
    """The profile of a business; for other users an answer without one."""
    asked = iq.child("business_profile", "profile")
    jid = asked.jid("jid") if asked else None
    if jid is None:
        raise QueryError(400, "bad-request")
    user = client.network.user(jid)
    shown = user.business if user else None
    profiles = [Node("profile", {"jid": jid}, business.profile(shown))] if shown else None
    return [Node("business_profile", {"v": iq.children[0].get("v")}, profiles)]


TABLE: Table = {
    ("w:biz", "get", "business_profile"): _business_profile,
    ("status", "get", "privacy"): _status_privacy,
    ("disappearing_mode", "set", "disappearing_mode"): _disappearing,
    ("w:qr", "set", "qr"): _contact_code,
    ("w:qr", "get", "qr"): _resolve_code,
    ("privacy", "get", "privacy"): _privacy,
    ("privacy", "set", "privacy"): _set_privacy,
    ("privacy", "set", "tokens"): nothing,
    ("blocklist", "get", ""): _blocklist,
    ("blocklist", "set", "item"): _change_blocklist,
    ("status", "set", "status"): _set_about,
}
"""Handlers for `queries.answer`."""
