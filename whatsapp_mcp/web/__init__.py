"""Web pages for a person: what the account holds and does, in a browser. Health checks for machines.

Here stands what both need of the server that serves them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from whatsapp_mcp.archive import ReadingArchive
    from whatsapp_mcp.device.operations import Devices
    from whatsapp_mcp.ledger import Ledger
    from whatsapp_mcp.policy import Audience, Effect
    from whatsapp_mcp.settings import CurrentSettings


class Opened(NamedTuple):
    """An account that is open, as its person sees it: nothing is withheld from them, and nothing asked."""

    devices: Devices
    archive: ReadingArchive
    ledger: Ledger


class ToolFacts(Protocol):
    """What a tool does, as the policy sees it."""

    @property
    def effect(self) -> Effect:
        """What is done."""
        ...

    @property
    def audience(self) -> Audience:
        """Who sees it."""
        ...


class PageSource(Protocol):
    """The server of one account."""

    @property
    def account(self) -> str:
        """The account's local name."""
        ...

    @property
    def current(self) -> CurrentSettings:
        """The settings, as `config.toml` says them now."""
        ...

    def declared(self, tool: str) -> ToolFacts | None:
        """What a tool does; None if there is none of this name."""
        ...

    def opened(self) -> Opened | None:
        """The account; None as long as the server is starting, or cannot open it."""
        ...


class Logins(Protocol):
    """Who is signed in."""

    @property
    def cookie(self) -> str:
        """The name of the cookie."""
        ...

    def takes(self, code: str) -> bool:
        """Whether this code of a login URL is valid; it stays so."""
        ...

    def sign_in(self, code: str) -> str | None:
        """The value of the cookie for such a code, which is used up; None if the code is not valid."""
        ...
