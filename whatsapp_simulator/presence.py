"""Transient state that is not stored: who is online, who is typing."""

from __future__ import annotations

from collections.abc import Sequence

from whatsapp_mcp.jid import GROUP_SERVER
from whatsapp_simulator.account import Client
from whatsapp_simulator.binary import Node, Value
from whatsapp_simulator.companion import Companion
from whatsapp_simulator.groups import Group
from whatsapp_simulator.user import Activity, State, User


def _chatstate(attrs: dict[str, Value], state: State) -> Node:
    if state == "recording":
        return Node("chatstate", attrs, [Node("composing", {"media": "audio"})])
    return Node("chatstate", attrs, [Node(state)])


def show(user: User, to: Sequence[User], state: State, group: Group | None = None) -> None:
    """Show the recipients' companions that `user` is typing, recording or has stopped."""
    attrs: dict[str, Value] = {"from": user.address}
    if group is not None:
        attrs = {"from": group.jid, "participant": group.address(user)}
    for each in to:
        for companion in each.companions.values():
            companion.pass_on(_chatstate(attrs, state))


def accept_chatstate(client: Client, node: Node) -> None:
    """Handle a companion's notification that its owner is typing, recording or has stopped."""
    network, to = client.network, node.jid("to")
    child = next(iter(node.children), None)
    if to is None or child is None:
        network.log_anomaly("malformed", repr(node))
        return
    state: State = "paused" if child.tag == "paused" else "composing"
    if child.get("media") == "audio":
        state = "recording"
    group = network.groups.get(to) if to.server == GROUP_SERVER else None
    user = network.user(to)
    sender = client.account
    others = [each for each in (group.users if group else [user]) if each and each is not sender]
    for each in others:
        each.activities.append(Activity(sender.lid, group.jid if group else sender.lid, state))
    show(sender, others, state, group)
    network.notify()


def accept_presence(client: Client, node: Node) -> None:
    """Handle a companion's presence ("available" or not), or its subscription to somebody's presence."""
    kind = node.get("type")
    if kind == "subscribe":
        jid = node.jid("to")
        user = client.network.user(jid) if jid else None
        if user is not None and jid is not None:
            client.companion.subscriptions[user.lid] = jid
            _send_presence(client.companion, user)
        return
    client.companion.available = kind == "available"
    client.network.notify()


def announce(user: User, accounts: Sequence[User]) -> None:
    """Send `user`'s presence to every companion that subscribed to it."""
    for account in accounts:
        for companion in account.companions.values():
            if user.lid in companion.subscriptions:
                _send_presence(companion, user)


def _send_presence(companion: Companion, user: User) -> None:
    attrs: dict[str, Value | int | None] = {"from": companion.subscriptions[user.lid]}
    if not user.is_online:
        attrs |= {"type": "unavailable", "last": user.last_seen or "deny"}
    companion.pass_on(Node("presence", attrs))
