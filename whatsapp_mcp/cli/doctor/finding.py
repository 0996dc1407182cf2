"""The result of a check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from whatsapp_mcp.cli.outcome import advice
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.settings import AccountFolder, Settings


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        name: Of the check; it stays the same.
        ok: Whether nothing is wrong.
        detail: What was found.
        action: What to do: the fix when it is not `ok`, else advice that may be ignored.
        account: The account that it is about; None for the installation and the computer.
    """

    name: str
    ok: bool
    detail: str
    action: str | None = None
    account: str | None = None

    @classmethod
    def of_error(cls, name: str, error: WhatsAppError) -> Finding:
        """A check that an error of ours ended."""
        return cls(name, False, error.message, advice(error.code, error.action))


Check = Callable[[], Finding]
HomeCheck = Callable[[Settings], Finding]
AccountCheck = Callable[[AccountFolder], Finding]


def listed(things: list[str], most: int = 3) -> str:
    """The first of some things, and how many more there are."""
    more = f" and {len(things) - most} more" if len(things) > most else ""
    return ", ".join(things[:most]) + more
