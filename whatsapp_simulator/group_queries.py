"""Queries about groups (`w:g2`): look up, create, change, invite, join, leave."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from whatsapp_mcp.jid import Jid
from whatsapp_simulator.account import Client
from whatsapp_simulator.binary import Node
from whatsapp_simulator.groups import Group
from whatsapp_simulator.network import Network
from whatsapp_simulator.queries import QueryError, Table
from whatsapp_simulator.user import User

_Change = Callable[[Group, Client, Node], None]


def _group(client: Client, iq: Node) -> Group:
    jid = iq.jid("to")
    group = client.network.groups.get(jid) if jid else None
    if group is None:
        raise QueryError(404, "item-not-found")
    if client.account.lid not in group.members:
        raise QueryError(403, "forbidden")
    return group


def _users(client: Client, node: Node) -> list[User]:
    jids = (each.jid("jid") for each in node.all("participant"))
    users = [client.network.user(jid) if jid else None for jid in jids]
    return [user for user in users if user is not None]


def _participating(client: Client, iq: Node) -> Sequence[Node]:
    del iq
    groups = client.network.groups.values()
    return [Node("groups", {}, [each.info() for each in groups if client.account.lid in each.members])]


def _info(client: Client, iq: Node) -> Sequence[Node]:
    invite = iq.children[0].child("add_request") if iq.children else None
    return [(_invited(client, iq, invite) if invite else _group(client, iq)).info()]


def _create(client: Client, iq: Node) -> Sequence[Node]:
    node, network = iq.children[0], client.network
    make = network.create_community if node.child("parent") is not None else network.create_group
    group = make(node.get("subject"), client.account, _users(client, node))
    if (parent := node.child("linked_parent")) is not None:
        _put_into(network, group, parent.jid("jid"))
    for each in (group, group.announcements):
        if each is not None:
            each.announce()
    return [group.info()]


def _put_into(network: Network, group: Group, jid: Jid | None) -> None:
    """Add a group to a community, to which its members belong then."""
    community = network.groups.get(jid) if jid else None
    if community is not None and community.is_community:
        group.parent = community.jid
        community.add(*group.users)


def _changed(change: _Change) -> Callable[[Client, Node], Sequence[Node]]:
    """A handler that applies a change if the account may make it."""

    def handle(client: Client, iq: Node) -> Sequence[Node]:
        group = _group(client, iq)
        if not _may(group, client, iq.children[0].tag):
            raise QueryError(403, "forbidden")
        change(group, client, iq.children[0])
        return [iq.children[0]]

    return handle


def _may(group: Group, client: Client, change: str) -> bool:
    """Return whether the account may make a change: admins make any, members only what settings allow."""
    if group.members[client.account.lid].role != "member":
        return True
    if change == "add":
        return group.member_add_mode == "all_member_add"
    return change not in _ADMIN_ONLY and not (change in _LOCKABLE and "locked" in group.switches)


_TIMERS = {0, 24 * 3600, 7 * 24 * 3600, 90 * 24 * 3600}
_LOCKABLE = {"subject", "description", "ephemeral", "not_ephemeral"}
_ADMIN_ONLY = {
    "remove",
    "promote",
    "demote",
    "announcement",
    "not_announcement",
    "locked",
    "unlocked",
    "member_add_mode",
    "membership_approval_mode",
}


def _add(group: Group, client: Client, node: Node) -> None:
    group.add(*_users(client, node), by=client.account)


def _remove(group: Group, client: Client, node: Node) -> None:
    group.remove(*_users(client, node), by=client.account)


def _promote(group: Group, client: Client, node: Node) -> None:
    group.promote(*_users(client, node), by=client.account)


def _demote(group: Group, client: Client, node: Node) -> None:
    group.demote(*_users(client, node), by=client.account)


def _rename(group: Group, client: Client, node: Node) -> None:
    group.rename(node.data.decode(), by=client.account)


def _describe(group: Group, client: Client, node: Node) -> None:
    body = node.child("body")
    text = body.data.decode() if body else ""
    group.describe(text, by=client.account, topic_id=node.get("id") or None)


def _announcement(group: Group, client: Client, node: Node) -> None:
    if group.is_community:
        raise QueryError(405, "not-allowed")
    group.switch("announcement", node.tag == "announcement", by=client.account)


def _locked(group: Group, client: Client, node: Node) -> None:
    group.switch("locked", node.tag == "locked", by=client.account)


def _approval(group: Group, client: Client, node: Node) -> None:
    join = node.child("group_join")
    group.switch("membership_approval_mode", join is not None and join.get("state") == "on", client.account)


def _ephemeral(group: Group, client: Client, node: Node) -> None:
    seconds = int(node.get("expiration", "0"))
    if seconds not in _TIMERS:
        raise QueryError(400, "bad-request")
    group.disappear(seconds, by=client.account)


def _member_add_mode(group: Group, client: Client, node: Node) -> None:
    group.let_members_add(node.data == b"all_member_add", by=client.account)


def _leave(client: Client, iq: Node) -> Sequence[Node]:
    asked = [each.jid("id") or each.jid("jid") for each in iq.children[0].children]
    groups = [client.network.groups[jid] for jid in asked if jid in client.network.groups]
    for group in groups:
        group.remove(client.account, by=client.account)
    return [Node("leave", {}, [Node("group", {"id": group.jid}) for group in groups])]


def _invite(client: Client, iq: Node) -> Sequence[Node]:
    if iq.children[0].get("code"):
        return [_by_code(client, iq).info()]
    return [Node("invite", {"code": _group(client, iq).invite_code})]


def _join_or_renew(client: Client, iq: Node) -> Sequence[Node]:
    if not iq.children[0].get("code"):
        group = _group(client, iq)
        group.renew_invite(by=client.account)
        return [Node("invite", {"code": group.invite_code})]
    group = _by_code(client, iq)
    if "membership_approval_mode" in group.switches:
        group.requests_to_join(client.account)
        return [Node("membership_approval_request", {"jid": group.jid})]
    group.add(client.account, by=client.account, reason="invite")
    return [Node("group", {"jid": group.jid})]


def _by_code(client: Client, iq: Node) -> Group:
    code = iq.children[0].get("code")
    group = next((each for each in client.network.groups.values() if each.invite_code == code), None)
    if group is None:
        raise QueryError(406, "not-acceptable")
    return group


def _accept_invite(client: Client, iq: Node) -> Sequence[Node]:
    """Join with an invitation that a member sent as a message."""
    group = _invited(client, iq, iq.children[0])
    group.add(client.account, by=client.account, reason="invite")
    return [Node("group", {"jid": group.jid})]


def _invited(client: Client, iq: Node, invite: Node) -> Group:
    """The group of an invitation that holds: with its code, by a member, and not expired."""
    jid, inviter = iq.jid("to"), invite.jid("admin")
    group = client.network.groups.get(jid) if jid else None
    who = client.network.user(inviter) if inviter else None
    if group is None or who is None or who.lid not in group.members:
        raise QueryError(404, "item-not-found")
    if invite.get("code") != group.invite_code or int(invite.get("expiration", "0")) <= int(
        client.network.timestamp()
    ):
        raise QueryError(410, "gone")
    return group


def _requests(client: Client, iq: Node) -> Sequence[Node]:
    group = _group(client, iq)
    now = client.network.timestamp()
    asking = [
        Node("membership_approval_request", {"jid": group.address(user), "request_time": now})
        for user in group.requests.values()
    ]
    return [Node("membership_approval_requests", {}, asking)]


def _decide(client: Client, iq: Node) -> Sequence[Node]:
    group = _group(client, iq)
    for verdict in iq.children[0].children:
        users = _users(client, verdict)
        if verdict.tag == "approve":
            group.add(*users, by=client.account)
        for user in users:
            group.requests.pop(user.lid, None)
    return [iq.children[0]]


def _sub_groups(client: Client, iq: Node) -> Sequence[Node]:
    community = _group(client, iq)
    groups = [each.info() for each in client.network.groups.values() if each.parent == community.jid]
    return [Node("sub_groups", {}, groups)]


def _linked_participants(client: Client, iq: Node) -> Sequence[Node]:
    community = _group(client, iq)
    linked = [each for each in client.network.groups.values() if each.parent == community.jid]
    users = dict.fromkeys(user for group in [community, *linked] for user in group.users)
    return [
        Node("linked_groups_participants", {}, [Node("participant", {"jid": each.lid}) for each in users])
    ]


def _link(client: Client, iq: Node) -> Sequence[Node]:
    """Add groups to a community."""
    community = _group(client, iq)
    for each in iq.children[0].children:
        for node in each.children:
            jid = node.jid("jid")
            if jid in client.network.groups:
                _put_into(client.network, client.network.groups[jid], community.jid)
    return [iq.children[0]]


def _unlink(client: Client, iq: Node) -> Sequence[Node]:
    """Remove groups from a community."""
    for node in iq.children[0].children:
        group = client.network.groups.get(jid) if (jid := node.jid("jid")) else None
        if group is not None and not group.is_announcements:
            group.parent = None
    return [iq.children[0]]


TABLE: Table = {
    ("w:g2", "set", "links"): _link,
    ("w:g2", "set", "unlink"): _unlink,
    ("w:g2", "get", "participating"): _participating,
    ("w:g2", "get", "query"): _info,
    ("w:g2", "get", "invite"): _invite,
    ("w:g2", "get", "membership_approval_requests"): _requests,
    ("w:g2", "get", "sub_groups"): _sub_groups,
    ("w:g2", "get", "linked_groups_participants"): _linked_participants,
    ("w:g2", "set", "create"): _create,
    ("w:g2", "set", "add"): _changed(_add),
    ("w:g2", "set", "remove"): _changed(_remove),
    ("w:g2", "set", "promote"): _changed(_promote),
    ("w:g2", "set", "demote"): _changed(_demote),
    ("w:g2", "set", "subject"): _changed(_rename),
    ("w:g2", "set", "description"): _changed(_describe),
    ("w:g2", "set", "announcement"): _changed(_announcement),
    ("w:g2", "set", "not_announcement"): _changed(_announcement),
    ("w:g2", "set", "locked"): _changed(_locked),
    ("w:g2", "set", "unlocked"): _changed(_locked),
    ("w:g2", "set", "membership_approval_mode"): _changed(_approval),
    ("w:g2", "set", "member_add_mode"): _changed(_member_add_mode),
    ("w:g2", "set", "ephemeral"): _changed(_ephemeral),
    ("w:g2", "set", "not_ephemeral"): _changed(_ephemeral),
    ("w:g2", "set", "leave"): _leave,
    ("w:g2", "set", "invite"): _join_or_renew,
    ("w:g2", "set", "accept"): _accept_invite,
    ("w:g2", "set", "membership_requests_action"): _decide,
}
"""Handlers for `queries.answer`."""
