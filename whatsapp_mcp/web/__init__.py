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
    """Properties of a tool that the policy sees."""

    @property
    def effect(self) -> Effect:
        """Effect of the tool."""
        ...

    @property
    def audience(self) -> Audience:
        """Audience of the effect."""
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
        """Return the facts of a tool; None if no tool has this name."""
        ...

    def opened(self) -> Opened | None:
        """The account; None as long as the server is starting, or cannot open it."""
        ...


class Logins(Protocol):
    """Login codes and sessions of the pages."""

    @property
    def cookie(self) -> str:
        """The name of the cookie."""
        ...

    def takes(self, code: str) -> bool:
        """Return whether a login URL's code is valid; checking does not use it up."""
        ...

    def sign_in(self, code: str) -> str | None:
        """The value of the cookie for such a code, which is used up; None if the code is not valid."""
        ...
