"""Settings as environment variables, such as `WHATSAPP_MCP_SERVER__PORT`."""

from __future__ import annotations

import os
from typing import Any, Final

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.files.home import HOME_VARIABLE

ENV_PREFIX: Final = "WHATSAPP_MCP_"
CHAT_VARIABLE: Final = f"{ENV_PREFIX}CHAT"
"""Names the one chat that a server is bound to (`serve --chat`); no setting."""
PRINCIPAL_VARIABLE: Final = f"{ENV_PREFIX}PRINCIPAL"
"""Names the agent whose command starts a server, so that its callers count as that agent; no setting."""
_NO_SETTINGS: Final = frozenset({HOME_VARIABLE, CHAT_VARIABLE, PRINCIPAL_VARIABLE})
_FILE_ONLY: Final = ("account", "accounts", "agent", "encryption", "policy", "privacy", "voice", "webhooks")


def overlay_environment(values: dict[str, Any]) -> None:
    """Override the values of `config.toml` with those of the environment.

    Raises:
        InvalidArgument: A variable names a section that only the file may set, or a section as a value.
    """
    for variable, value in os.environ.items():
        if not variable.startswith(ENV_PREFIX) or variable in _NO_SETTINGS:
            continue
        section, _, key = variable.removeprefix(ENV_PREFIX).lower().partition("__")
        if section in _FILE_ONLY:
            raise InvalidArgument(
                f"{variable} cannot be set by environment: any server may become the leader.",
                f"Write it into the [{section}] section of config.toml.",
            )
        if not key:
            values[section] = value
        elif isinstance(table := values.setdefault(section, {}), dict):
            table[key] = value
        else:
            raise InvalidArgument(f"{section}: it is a section, not a value.", f"Write [{section}] and keys.")
