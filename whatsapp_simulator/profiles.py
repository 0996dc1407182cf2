"""Queries about users, and how they show themselves.

Who has WhatsApp, under which addresses and with which devices (`usync`); pictures of people and groups;
privacy settings, block list, about text, business profile.
"""

from __future__ import annotations

from collections.abc import Sequence

from whatsapp_mcp.jid import LID_SERVER, USER_SERVER, Jid
from whatsapp_simulator import business, devices
from whatsapp_simulator.account import Client
from whatsapp_simulator.binary import Node, Value
from whatsapp_simulator.groups import Group
from whatsapp_simulator.media import HOSTS, Blob, Picture
from whatsapp_simulator.network import Network
from whatsapp_simulator.queries import QueryError, Table, nothing
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
            answers.extend(_field(user, jid, field.tag))
    if by_lid:
        return Node("user", {"jid": user.lid, "pn_jid": user.pn}, answers)
    return Node("user", {"jid": jid}, answers)


def _field(user: User, jid: Jid, field: str) -> list[Node]:
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


def change_picture(
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


def _picture_owner(client: Client, iq: Node) -> User | Group:
    jid = iq.jid("target") or iq.jid("to")
    if jid is None or not jid.user:
        return client.account
    owner = client.network.groups.get(jid) or client.network.user(jid)
    if owner is None:
        raise QueryError(404, "item-not-found")
    return owner


def _picture(client: Client, iq: Node) -> Sequence[Node]:
    picture = _picture_owner(client, iq).picture
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


def _set_picture(client: Client, iq: Node) -> Sequence[Node]:
    body = iq.child("picture")
    picture = change_picture(
        client.network, _picture_owner(client, iq), body.data if body else None, client.account
    )
    return [Node("picture", {"id": picture.id})] if picture else []


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
    ("usync", "get", "usync"): _usync,
    ("w:profile:picture", "get", "picture"): _picture,
    ("w:profile:picture", "set", "picture"): _set_picture,
    ("w:profile:picture", "set", ""): _set_picture,
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
