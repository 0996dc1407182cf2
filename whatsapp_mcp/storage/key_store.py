"""Keys of an account: where the client library keeps them, and what the leader reads of its database.

The tables are the library's (whatsmeow, `store/sqlstore/upgrades`). A leader writes there only while no
client runs.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, Self
from urllib.parse import parse_qsl, urlsplit

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.storage.failures import StorageError

_NAME: Final = 100
"""Characters of the own name that are taken."""


@dataclass(frozen=True, slots=True)
class KeysAddress:
    """Address of the keys that the client process opens: the name of a file, or a `postgres://` URL.

    Attributes:
        location: Holds the password of a role where it is a URL. So it is in no repr, and is passed over
            pipes, never as an argument or a variable of the environment.
    """

    location: str = field(repr=False)

    @property
    def in_database(self) -> bool:
        """True if the keys are in PostgreSQL; the client library checks the same beginning of the name."""
        return self.location.startswith("postgres")

    @property
    def server(self) -> tuple[str, str] | None:
        """Host (or folder of the socket) and port of the database; None where it is a file."""
        if not self.in_database:
            return None
        url = urlsplit(self.location)
        given = dict(parse_qsl(url.query))
        return given.get("host") or url.hostname or "localhost", given.get("port") or str(url.port or 5432)


logger = logging.getLogger(__name__)


class KeysUnreadable(StorageError):
    """The database cannot be read or written now, or is not there.

    That does not mean that nobody is linked.
    """


@dataclass(frozen=True, slots=True)
class StoredDevice:
    """The companion whose keys are stored.

    Attributes:
        jid: Its own address with the device number.
        lid: The LID of the account, if known.
        name: The account's name on WhatsApp, if known.
        registration: The number that the library drew for this device when it was linked.
    """

    jid: Jid
    lid: str | None
    name: str | None
    registration: int = 0

    @property
    def number(self) -> str | None:
        """The account's number, E.164."""
        return self.jid.bare.number

    @classmethod
    def from_row(cls, jid: object, lid: object, name: object, registration: object) -> Self | None:
        """The columns of `whatsmeow_device`; None where they name no device."""
        if not jid:
            return None
        try:
            # The library stores "user.agent:device@server" for some accounts.
            user, _, rest = str(jid).partition("@")
            user, _, device = user.partition(":")
            address = Jid.parse(f"{user.split('.')[0]}{':' + device if device else ''}@{rest}")
        except InvalidArgument:
            logger.warning("keys: a device is stored under what is no address")
            return None
        # The client process writes this table, and SQLite takes any type into a column.
        number = registration if isinstance(registration, int) else 0
        return cls(address, _bare(lid), str(name)[:_NAME] if name else None, number)


def _bare(address: object) -> str | None:
    try:
        return str(Jid.parse(str(address)).bare) if address else None
    except InvalidArgument:
        return None


class AppState(NamedTuple):
    """Parts of the phone's app state that the library has: a key to it, and the address book's contacts."""

    has_key: bool
    has_contacts: bool


class ChatKeys(NamedTuple):
    """Keys that advance when a message to a chat is encrypted.

    Attributes:
        users: Under which users keys were looked for: a person has a phone number and a LID.
        keys: Address and key of each of their devices, in the order of the addresses.
    """

    users: list[str]
    keys: list[tuple[str, bytes]]


class KeyStore(Protocol):
    """The keys of one account. Each method but `close` and `system` may raise `KeysUnreadable`."""

    def system(self) -> str | None:
        """Names what must not have changed if what is not stored is to prove anything.

        The boot of this machine, whose power failure may undo the last commit of a file; the system and the
        timeline of a PostgreSQL server, since a restored one may lack commits. None where it is not known.
        """
        ...

    async def device(self) -> StoredDevice | None:
        """The device whose keys are stored; None when there is none, or the store is damaged."""
        ...

    async def lid_of(self, jid: Jid) -> str | None:
        """The LID of a phone number's address, when the library has learned it."""
        ...

    async def app_state(self) -> AppState:
        """Return which parts of the phone's app state the library has fetched."""
        ...

    async def reset_address_book(self) -> bool:
        """Forget the version of an address book whose contacts were never stored; whether there was one.

        The library commits the version of a collection before its contents (whatsmeow, `storeMACs`, then
        `PutAllContactNames`). A client that is killed in between would fetch only later changes from then on.
        Without the version it fetches the whole collection the next time it fetches it at all.

        Only for the moment in which no client runs: one that does could be between the two commits.
        """
        ...

    async def forget(self) -> None:
        """Delete the keys.

        Raises:
            OSError: A file cannot be deleted, for example because the client process still ends.
        """
        ...

    async def message_id(self, secret: bytes) -> str | None:
        """The id that the library has given the message with this secret."""
        ...

    async def sessions(self, user: str) -> ChatKeys:
        """The sessions with a person of whom one user is known."""
        ...

    async def own_keys(self, chat: str, user: str) -> ChatKeys:
        """The own keys to a group or to status posts; one own user is known."""
        ...

    async def named_in(self, message_id: str) -> list[tuple[str, str]]:
        """Chats and senders under which secrets of messages with this id are kept."""
        ...

    async def sender_in(self, chat: str, message_id: str) -> tuple[str, str] | None:
        """Id and sender of this message of a chat, or else of a late one there, where secrets are kept."""
        ...

    def close(self) -> None:
        """Close what is open; whatever is asked afterwards opens it again."""
        ...
