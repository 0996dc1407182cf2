"""Who may use a server whose principals stand in a database, and how often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from whatsapp_mcp.server.calls import Principal


class Directory(Protocol):
    """The principals, as the database had them a moment ago; each question is answered at once."""

    @property
    def unknown_bearer(self) -> str:
        """What a request with any other bearer token is answered with: how to get one."""
        ...

    def principal(self, token: str) -> Principal | None:
        """Whom a bearer token stands for; None if it is none, or was revoked."""
        ...

    def subject(self, subject: str) -> Principal | None:
        """Who a user of the OAuth issuer is here: with every scope that a token of theirs may have."""
        ...

    def take(self, principal: str) -> float:
        """Count one request of a principal.

        Returns:
            0 if it may be answered; else the seconds until the next one may.
        """
        ...
