"""The modes of an account.

| mode | reading | linking, reconnecting | acting |
|---|---|---|---|
| `read_only` | yes | yes | refused |
| `standard`, `lockdown`, `open` | yes | yes | yes |

`standard` and `lockdown` become stricter where a person can be asked; until then only the application that
runs the agent stands between it and a send.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from whatsapp_mcp.errors import Denied
from whatsapp_mcp.settings import PolicyMode, Settings


class Effect(StrEnum):
    """The effect of a tool or of an operation of the device, as far as the policy distinguishes them."""

    READ = "read"
    """Changes nothing that anybody else sees."""
    LINK = "link"
    """Opens or renews the connection to WhatsApp; sends and changes nothing."""
    ACT = "act"
    """Sends or changes something on WhatsApp."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What this account allows."""

    mode: PolicyMode = "standard"

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        """The policy that these settings name."""
        return cls(settings.policy.mode)

    def check(self, what: str, effect: Effect) -> None:
        """Let a tool or an operation of the device pass, or refuse it.

        Raises:
            Denied: The mode does not allow it; nothing has been changed.
        """
        if effect is Effect.ACT and self.mode == "read_only":
            raise Denied(
                f"This account is read-only, so {what} is refused.",
                "Tell the user; only the person can change policy.mode in config.toml.",
            )
