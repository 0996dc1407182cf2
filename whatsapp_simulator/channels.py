"""Channels (newsletters): one user posts, many follow; without end-to-end encryption."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from whatsapp_mcp.jid import CHANNEL_SERVER, Jid
from whatsapp_mcp.protobufs import E2E
from whatsapp_simulator.binary import Node, Value
from whatsapp_simulator.envelope import stanza_type
from whatsapp_simulator.simulation import Simulation
from whatsapp_simulator.user import User

Role = Literal["subscriber", "admin", "owner"]


@dataclass(slots=True)
class Post:
    """A post in a channel; `number` counts up within each channel."""

    number: int
    id: str
    message: E2E.Message
    timestamp: int
    views: int = 0
    reactions: dict[Jid, str] = field(default_factory=dict[Jid, str])


class SimulatedChannel:
    """A channel.

    Attributes:
        followers: Their roles, by LID.
        muted: Users who have muted it, by LID.
        posts: Posts, oldest first.

    Args:
        source: The randomness for its address and its invite code.
        users: All users by LID, to find the followers' companions.
    """

    def __init__(
        self,
        simulation: Simulation,
        source: random.Random,
        users: Mapping[Jid, User],
        name: str,
        description: str = "",
    ) -> None:
        self._simulation = simulation
        self._users = users
        self.jid = Jid(f"1203633{source.randrange(10**10, 10**11)}", CHANNEL_SERVER)
        self.name = name
        self.description = description
        self.created = simulation.timestamp()
        self.invite_code = f"0029Va{source.randbytes(8).hex()}"
        self.followers: dict[Jid, Role] = {}
        self.muted: set[Jid] = set()
        self.posts: list[Post] = []

    def post(self, message: str | E2E.Message, *, id: str | None = None) -> Post:
        """Post something; every companion of a follower receives it."""
        whole = E2E.Message(conversation=message) if isinstance(message, str) else message
        number = 100 + len(self.posts)
        post = Post(number, id or self._simulation.new_id(), whole, self._simulation.timestamp())
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
            for companion in self._users[lid].companions.values():
                companion.deliver(Node("message", attrs, [body]))
        return post

    def described(self, lid: Jid) -> dict[str, Any]:
        """Return the channel's metadata for one account, in the JSON form of WhatsApp's GraphQL."""
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
