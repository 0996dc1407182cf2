"""The recipients of a message with sender keys: the members of a group, the viewers of a status."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Protocol

from whatsapp_mcp.jid import STATUS_JID, Jid
from whatsapp_simulator.binary import Value
from whatsapp_simulator.group_keys import GroupKeys
from whatsapp_simulator.user import User


class Audience(Protocol):
    """The recipients of messages with sender keys to one address."""

    jid: Jid
    keys: GroupKeys
    addressing: Literal["lid", "pn"]

    @property
    def users(self) -> list[User]:
        """All members, including the author."""
        ...


class StatusFeed:
    """The author of a status and its viewers, which `Network.status_feed` determines."""

    def __init__(self, poster: User, viewers: Iterable[User]) -> None:
        self.jid = Jid.parse(STATUS_JID)
        self.keys = poster.status_keys
        self.addressing: Literal["lid", "pn"] = "lid"
        self.users = list(dict.fromkeys([poster, *viewers]))


def author(audience: Audience, user: User, device: int = 0) -> dict[str, Value]:
    """The attributes that name the author of a stanza, in the audience's addressing mode."""
    pn, lid = (Jid(jid.user, jid.server, device) for jid in (user.pn, user.lid))
    if audience.addressing == "pn":
        return {"participant": pn, "participant_lid": lid, "addressing_mode": "pn"}
    return {"participant": lid, "participant_pn": pn, "addressing_mode": "lid"}
