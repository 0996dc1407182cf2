"""Those who read what is written to one address with sender keys: a group's members, a status's viewers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from whatsapp_mcp.jid import STATUS_JID, Jid
from whatsapp_mcp.simulator.binary import Value
from whatsapp_mcp.simulator.group_keys import GroupKeys
from whatsapp_mcp.simulator.network import Network

if TYPE_CHECKING:
    from whatsapp_mcp.simulator.party import Party


class Audience(Protocol):
    """What a message with sender keys needs to know of those it is for."""

    network: Network
    jid: Jid
    keys: GroupKeys
    addressing: Literal["lid", "pn"]

    @property
    def parties(self) -> list[Party]:
        """Everybody in it, with whoever writes."""
        ...


class StatusFeed:
    """Those who see somebody's status posts: the accounts, or for an account's own posts everybody."""

    def __init__(self, poster: Party) -> None:
        self.network = poster.network
        self.poster = poster
        self.jid = Jid.parse(STATUS_JID)
        self.keys = GroupKeys(self.network.random(f"status {poster.pn.user}").randbytes)
        self.addressing: Literal["lid", "pn"] = "lid"

    @property
    def parties(self) -> list[Party]:
        """The poster and everybody who sees the posts."""
        own = self.poster in self.network.accounts
        viewers = self.network.parties.values() if own else self.network.accounts
        return list(dict.fromkeys([self.poster, *viewers]))


def author(audience: Audience, party: Party, device: int = 0) -> dict[str, Value]:
    """The attributes that name somebody as the author of a stanza, in the audience's way of addressing."""
    pn, lid = (Jid(jid.user, jid.server, device) for jid in (party.pn, party.lid))
    if audience.addressing == "pn":
        return {"participant": pn, "participant_lid": lid, "addressing_mode": "pn"}
    return {"participant": lid, "participant_pn": pn, "addressing_mode": "lid"}
