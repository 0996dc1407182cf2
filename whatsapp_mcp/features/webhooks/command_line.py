"""Entry of the command `webhooks`; its module is loaded only when the command is used."""

from __future__ import annotations

from typing import Final

from whatsapp_mcp.cli.command_line import Later

WEBHOOKS: Final = Later(
    "webhooks", f"{__package__}.commands", "app", "See how webhooks are doing.", section="Operate"
)
