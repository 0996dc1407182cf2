"""Channels (newsletters): one writes, many follow; nothing is encrypted end to end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from whatsapp_mcp.jid import CHANNEL_SERVER, Jid
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.simulator.binary import Node, Value
from whatsapp_mcp.simulator.companion import Companion
from whatsapp_mcp.simulator.envelope import stanza_type
from whatsapp_mcp.simulator.network import Network
from whatsapp_mcp.simulator.queries import QueryError, Table

Role = Literal["subscriber", "admin", "owner"]
_LIVE_SECONDS = 300


@dataclass(slots=True)
class Post:
    """What was written in a channel; `number` counts up in each channel."""

    number: int
    id: str
    message: E2E.Message
    timestamp: int
    views: int = 0
    reactions: dict[Jid, str] = field(default_factory=dict[Jid, str])


class Channel:
    """A channel.

    Attributes:
        followers: Their roles, by LID.
        muted: Who has muted it, by LID.
        posts: What was written, oldest first.
    """

    def __init__(self, network: Network, name: str, description: str = "") -> None:
        self.network = network
        source = network.random(f"channel {len(network.channels)} {name}")
        self.jid = Jid(f"1203633{source.randrange(10**10, 10**11)}", CHANNEL_SERVER)
        self.name = name
        self.description = description
        self.created = network.timestamp()
        self.invite_code = f"0029Va{source.randbytes(8).hex()}"
        self.followers: dict[Jid, Role] = {}
        self.muted: set[Jid] = set()
        self.posts: list[Post] = []
        network.channels[self.jid] = self

    def post(self, message: str | E2E.Message, *, id: str | None = None) -> Post:
        """Write something; every companion of a follower gets it."""
        whole = E2E.Message(conversation=message) if isinstance(message, str) else message
        network = self.network
        number = 100 + len(self.posts)
        post = Post(number, id or network.new_id(), whole, network.timestamp())
        self.posts.append(post)
        kind, media = stanza_type(whole)
        attrs: dict[str, Value | int | None] = {
            "from": self.jid,
            "id": post.id,
            "server_id": number,
            "t": post.timestamp,
            "type": kind,
        }
        body = Node("plaintext", {"mediatype": media}, whole.SerializeToString())
        for lid in self.followers:
            party = network.party(lid)
            for companion in party.companions.values() if party else ():
                companion.deliver(Node("message", attrs, [body]))
        return post

    def described(self, lid: Jid) -> dict[str, Any]:
        """Its metadata as JSON for one account, in the form of WhatsApp's GraphQL."""
        created = str(self.created * 1_000_000)
        texts = {"id": created, "update_time": created}
        return {
            "id": str(self.jid),
            "state": {"type": "ACTIVE"},
            "thread_metadata": {
                "creation_time": str(self.created),
                "invite": self.invite_code,
                "name": {"text": self.name, **texts},
                "description": {"text": self.description, **texts},
                "subscribers_count": str(len(self.followers)),
                "verification": "UNVERIFIED",
                "picture": {"id": "", "type": "IMAGE", "direct_path": ""},
                "preview": {"id": "", "type": "PREVIEW", "direct_path": ""},
                "settings": {"reaction_codes": {"value": "all"}},
            },
            "viewer_metadata": {
                "mute": "ON" if lid in self.muted else "OFF",
                "role": self.followers.get(lid, "guest").upper(),
            },
        }


def _by_jid(companion: Companion, jid: Jid | None) -> Channel:
    channel = companion.network.channels.get(jid) if jid else None
    if channel is None:
        raise QueryError(404, "item-not-found")
    return channel


def _named(companion: Companion, variables: dict[str, Any]) -> Channel:
    return _by_jid(companion, Jid.parse(variables["newsletter_id"]))


def _fetch(companion: Companion, variables: dict[str, Any]) -> dict[str, Any]:
    key = variables["input"]["key"]
    if variables["input"]["type"] == "JID":
        channel = _by_jid(companion, Jid.parse(key))
    else:
        found = (each for each in companion.network.channels.values() if each.invite_code == key)
        channel = next(found, None) or _by_jid(companion, None)
    return {"xwa2_newsletter": channel.described(companion.phone.lid)}


def _subscribed(companion: Companion, variables: dict[str, Any]) -> dict[str, Any]:
    del variables
    lid = companion.phone.lid
    channels = companion.network.channels.values()
    return {"xwa2_newsletter_subscribed": [each.described(lid) for each in channels if lid in each.followers]}


def _create(companion: Companion, variables: dict[str, Any]) -> dict[str, Any]:
    given = variables.get("input") or variables["newsletter_input"]
    channel = Channel(companion.network, given["name"], given.get("description") or "")
    channel.followers[companion.phone.lid] = "owner"
    return {"xwa2_newsletter_create": channel.described(companion.phone.lid)}


def _follow(companion: Companion, variables: dict[str, Any]) -> dict[str, Any]:
    channel = _named(companion, variables)
    channel.followers.setdefault(companion.phone.lid, "subscriber")
    return {"xwa2_newsletter_join_v2": {"id": str(channel.jid)}}


def _unfollow(companion: Companion, variables: dict[str, Any]) -> dict[str, Any]:
    channel = _named(companion, variables)
    channel.followers.pop(companion.phone.lid, None)
    return {"xwa2_newsletter_leave_v2": {"id": str(channel.jid)}}


def _mute(companion: Companion, variables: dict[str, Any]) -> dict[str, Any]:
    channel = _named(companion, variables)
    channel.muted.add(companion.phone.lid)
    return {"xwa2_newsletter_mute_v2": {"id": str(channel.jid)}}


def _unmute(companion: Companion, variables: dict[str, Any]) -> dict[str, Any]:
    channel = _named(companion, variables)
    channel.muted.discard(companion.phone.lid)
    return {"xwa2_newsletter_unmute_v2": {"id": str(channel.jid)}}


def _set_about(companion: Companion, variables: dict[str, Any]) -> dict[str, Any]:
    companion.phone.about = str(variables["input"]["text"])
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
"""Stored GraphQL queries by their number; clients of another age know the same one by another number."""


def _graphql(companion: Companion, iq: Node) -> Sequence[Node]:
    """Answer a query that carries JSON (MEX), as whatsmeow and Baileys number them."""
    query = iq.children[0]
    handler = _MEX.get(query.get("query_id"))
    if handler is None:
        companion.network.remark("unanswered", f"{query.get('query_id')} {query.data.decode()}")
        raise QueryError(501, "feature-not-implemented")
    data = handler(companion, json.loads(query.data)["variables"])
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


def _messages(companion: Companion, iq: Node) -> Sequence[Node]:
    asked = iq.children[0]
    channel = _by_jid(companion, asked.jid("jid"))
    before = int(asked.get("before") or 1 << 31)
    posts = [each for each in channel.posts if each.number < before][-int(asked.get("count", "50")) :]
    attrs: dict[str, Value | int | None] = {"jid": channel.jid, "t": companion.network.timestamp()}
    return [Node("messages", attrs, [_post_node(each) for each in posts])]


def _updates(companion: Companion, iq: Node) -> Sequence[Node]:
    channel = _by_jid(companion, iq.jid("to"))
    posts = channel.posts[-int(iq.children[0].get("count", "50")) :]
    attrs: dict[str, Value | int | None] = {"jid": channel.jid, "t": companion.network.timestamp()}
    return [Node("message_updates", {}, [Node("messages", attrs, [_post_node(each) for each in posts])])]


def _live(companion: Companion, iq: Node) -> Sequence[Node]:
    _by_jid(companion, iq.jid("to"))
    return [Node("live_updates", {"duration": _LIVE_SECONDS})]


def accept(companion: Companion, node: Node, to: Jid) -> None:
    """Take what a companion writes in a channel, or its reaction."""
    channel = companion.network.channels.get(to)
    if channel is None:
        companion.network.remark("unknown recipient", str(to))
        return
    reaction = node.child("reaction")
    if reaction is not None:
        for post in channel.posts:
            if str(post.number) == node.get("server_id"):
                post.reactions[companion.phone.lid] = reaction.get("code")
    body = node.child("plaintext")
    if body is not None and channel.followers.get(companion.phone.lid) in ("admin", "owner"):
        channel.post(E2E.Message.FromString(body.data), id=node.get("id"))


TABLE: Table = {
    ("w:mex", "get", "query"): _graphql,
    ("newsletter", "get", "messages"): _messages,
    ("newsletter", "get", "message_updates"): _updates,
    ("newsletter", "set", "live_updates"): _live,
}
"""Handlers for `queries.answer`."""
