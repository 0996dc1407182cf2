"""An account that clients are linked to: the state that its phone and the servers keep for it."""

from __future__ import annotations

from dataclasses import dataclass

from whatsapp_mcp.jid import Jid
from whatsapp_simulator.app_state import AppState
from whatsapp_simulator.companion import Companion, Registration
from whatsapp_simulator.history import History
from whatsapp_simulator.network import Network
from whatsapp_simulator.user import User

_PRIVACY = ("groupadd", "last", "status", "profile", "readreceipts", "online", "calladd", "messages")


class Account(User):
    """Somebody with an account that companions are linked to; `Phone` adds what the owner does.

    Attributes:
        network: The network that it belongs to.
        last_companion: The highest device number so far; numbers are not reused.
        blocked: Blocked users.
        app_state: The phone's state of chats and contacts, shared with the companions.
        history: The phone's stored messages, for companions that are linked later.
    """

    def __init__(self, network: Network, number: str, name: str) -> None:
        super().__init__(network, number, name)
        self.network = network
        self.last_companion = 0
        self.privacy = dict.fromkeys(_PRIVACY, "all") | {"defense": "off", "stickers": "contacts"}
        self.blocked: dict[Jid, None] = {}
        self.default_disappearing = 0
        self.app_state = AppState(self)
        self.history = History(network, self)
        network.add(self)
        network.accounts.append(self)

    def new_companion(self, registration: Registration) -> Companion:
        """The companion that a client becomes once it is linked."""
        self.last_companion += 1
        pn, lid = (Jid(each.user, each.server, self.last_companion) for each in (self.pn, self.lid))
        return Companion(self.network, pn, lid, registration)


@dataclass(frozen=True, slots=True)
class Client:
    """A logged-in client: its companion and its account."""

    account: Account
    companion: Companion

    @property
    def network(self) -> Network:
        """The network of its account."""
        return self.account.network
