"""Queries and posts of companions about channels: look up, create, follow, mute, read, post, react."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from whatsapp_mcp.jid import Jid
from whatsapp_mcp.protobufs import E2E
from whatsapp_simulator.account import Client
from whatsapp_simulator.binary import Node, Value
from whatsapp_simulator.channels import Post, SimulatedChannel
from whatsapp_simulator.envelope import stanza_type
from whatsapp_simulator.queries import QueryError, Table

_LIVE_SECONDS = 300


def _by_jid(client: Client, jid: Jid | None) -> SimulatedChannel:
    channel = client.network.channels.get(jid) if jid else None
    if channel is None:
        raise QueryError(404, "item-not-found")
    return channel


def _named(client: Client, variables: dict[str, Any]) -> SimulatedChannel:
    return _by_jid(client, Jid.parse(variables["newsletter_id"]))


def _fetch(client: Client, variables: dict[str, Any]) -> dict[str, Any]:
    key = variables["input"]["key"]
    if variables["input"]["type"] == "JID":
        channel = _by_jid(client, Jid.parse(key))
    else:
        channels = (each for each in client.network.channels.values() if each.invite_code == key)
        channel = next(channels, None) or _by_jid(client, None)
    return {"xwa2_newsletter": channel.described(client.account.lid)}


def _subscribed(client: Client, variables: dict[str, Any]) -> dict[str, Any]:
    del variables
    lid = client.account.lid
    channels = client.network.channels.values()
    return {"xwa2_newsletter_subscribed": [each.described(lid) for each in channels if lid in each.followers]}


def _create(client: Client, variables: dict[str, Any]) -> dict[str, Any]:
    given = variables.get("input") or variables["newsletter_input"]
    channel = client.network.create_channel(given["name"], given.get("description") or "")
    channel.followers[client.account.lid] = "owner"
    return {"xwa2_newsletter_create": channel.described(client.account.lid)}


def _follow(client: Client, variables: dict[str, Any]) -> dict[str, Any]:
    channel = _named(client, variables)
    channel.followers.setdefault(client.account.lid, "subscriber")
    return {"xwa2_newsletter_join_v2": {"id": str(channel.jid)}}


def _unfollow(client: Client, variables: dict[str, Any]) -> dict[str, Any]:
    channel = _named(client, variables)
    channel.followers.pop(client.account.lid, None)
    return {"xwa2_newsletter_leave_v2": {"id": str(channel.jid)}}


def _mute(client: Client, variables: dict[str, Any]) -> dict[str, Any]:
    channel = _named(client, variables)
    channel.muted.add(client.account.lid)
    return {"xwa2_newsletter_mute_v2": {"id": str(channel.jid)}}


def _unmute(client: Client, variables: dict[str, Any]) -> dict[str, Any]:
    channel = _named(client, variables)
    channel.muted.discard(client.account.lid)
    return {"xwa2_newsletter_unmute_v2": {"id": str(channel.jid)}}


def _set_about(client: Client, variables: dict[str, Any]) -> dict[str, Any]:
    client.account.about = str(variables["input"]["text"])
    return {}


_MEX = {
    "6563316087068696": _fetch,
    "6388546374527196": _subscribed,
    "6234210096708695": _create,
    "8823471724422422": _create,
    "9926858900719341": _follow,
    "24404358912487870": _follow,
    "6392786840836363": _unfollow,
    "9767147403369991": _unfollow,
    "6274038279359549": _mute,
    "29766401636284406": _mute,
    "6068417879924485": _unmute,
    "9864994326891137": _unmute,
    "9152604461510864": _set_about,
}
"""Stored GraphQL queries by number; client versions use different numbers for the same query."""


def _graphql(client: Client, iq: Node) -> Sequence[Node]:
    """Answer a query that carries JSON (MEX), as whatsmeow and Baileys number them."""
    query = iq.children[0]
    handler = _MEX.get(query.get("query_id"))
    if handler is None:
        client.network.log_anomaly("unanswered", f"{query.get('query_id')} {query.data.decode()}")
        raise QueryError(501, "feature-not-implemented")
    data = handler(client, json.loads(query.data)["variables"])
    return [Node("result", {}, json.dumps({"data": data}))]


def _post_node(post: Post) -> Node:
    kind, _ = stanza_type(post.message)
    counts: dict[str, int] = {}
    for emoji in post.reactions.values():
        counts[emoji] = counts.get(emoji, 0) + 1
    children = [
        Node("plaintext", {}, post.message.SerializeToString()),
        Node("views_count", {"count": post.views}),
        Node("reactions", {}, [Node("reaction", {"code": code, "count": n}) for code, n in counts.items()]),
    ]
    attrs = {"id": post.id, "server_id": post.number, "t": post.timestamp, "type": kind}
    return Node("message", attrs, children)


def _messages(client: Client, iq: Node) -> Sequence[Node]:
    asked = iq.children[0]
    channel = _by_jid(client, asked.jid("jid"))
    before = int(asked.get("before") or 1 << 31)
    posts = [each for each in channel.posts if each.number < before][-int(asked.get("count", "50")) :]
    attrs: dict[str, Value | int | None] = {"jid": channel.jid, "t": client.network.timestamp()}
    return [Node("messages", attrs, [_post_node(each) for each in posts])]


def _updates(client: Client, iq: Node) -> Sequence[Node]:
    channel = _by_jid(client, iq.jid("to"))
    posts = channel.posts[-int(iq.children[0].get("count", "50")) :]
    attrs: dict[str, Value | int | None] = {"jid": channel.jid, "t": client.network.timestamp()}
    return [Node("message_updates", {}, [Node("messages", attrs, [_post_node(each) for each in posts])])]


def _live(client: Client, iq: Node) -> Sequence[Node]:
    _by_jid(client, iq.jid("to"))
    return [Node("live_updates", {"duration": _LIVE_SECONDS})]


def accept(client: Client, node: Node, to: Jid) -> None:
    """Handle a companion's post or reaction in a channel."""
    channel = client.network.channels.get(to)
    if channel is None:
        client.network.log_anomaly("unknown recipient", str(to))
        return
    reaction = node.child("reaction")
    if reaction is not None:
        for post in channel.posts:
            if str(post.number) == node.get("server_id"):
                post.reactions[client.account.lid] = reaction.get("code")
    body = node.child("plaintext")
    if body is not None and channel.followers.get(client.account.lid) in ("admin", "owner"):
        channel.post(E2E.Message.FromString(body.data), id=node.get("id"))


TABLE: Table = {
    ("w:mex", "get", "query"): _graphql,
    ("newsletter", "get", "messages"): _messages,
    ("newsletter", "get", "message_updates"): _updates,
    ("newsletter", "set", "live_updates"): _live,
}
"""Handlers for `queries.answer`."""
