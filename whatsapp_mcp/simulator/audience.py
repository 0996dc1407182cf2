"""Those who read what is written to one address with sender keys: a group's members, a status's viewers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Protocol

from whatsapp_mcp.jid import STATUS_JID, Jid
from whatsapp_mcp.simulator.binary import Value
from whatsapp_mcp.simulator.group_keys import GroupKeys
from whatsapp_mcp.simulator.user import User


class Audience(Protocol):
    """What a message with sender keys needs to know of those it is for."""

    jid: Jid
    keys: GroupKeys
    addressing: Literal["lid", "pn"]

    @property
    def users(self) -> list[User]:
        """Everybody in it, with whoever writes."""
        ...


class StatusFeed:
    """The poster of a status and those who see it; `Network.status_feed` says who they are."""

    def __init__(self, poster: User, viewers: Iterable[User]) -> None:
        self.jid = Jid.parse(STATUS_JID)
        self.keys = poster.status_keys
        self.addressing: Literal["lid", "pn"] = "lid"
        self.users = list(dict.fromkeys([poster, *viewers]))


def author(audience: Audience, user: User, device: int = 0) -> dict[str, Value]:
    """The attributes that name somebody as the author of a stanza, in the audience's way of addressing."""
    pn, lid = (Jid(jid.user, jid.server, device) for jid in (user.pn, user.lid))
    if audience.addressing == "pn":
        return {"participant": pn, "participant_lid": lid, "addressing_mode": "pn"}
    return {"participant": lid, "participant_pn": pn, "addressing_mode": "lid"}
