"""The home folder: where it is, and which accounts have a folder in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import platformdirs

HOME_VARIABLE: Final = "WHATSAPP_MCP_HOME"
SERVER_LOG: Final = "server.log"
"""The log of the servers of all accounts."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""Also a folder's: no separator, nothing hidden, and nothing that a command takes for an option."""


def home_in(environment: Mapping[str, str]) -> Path:
    """The home folder of a process with these variables."""
    named = environment.get(HOME_VARIABLE) or platformdirs.user_data_dir("whatsapp-mcp")
    return Path(named).expanduser().absolute()


def is_account_name(name: str) -> bool:
    """Return whether a name is valid for an account, and so for its folder."""
    return _NAME.fullmatch(name) is not None


def accounts_in(home: Path) -> list[str]:
    """The names of the accounts that have a folder, sorted; a folder that cannot be one is none."""
    folders = (path for path in home.glob("accounts/*") if path.is_dir())
    return sorted(path.name for path in folders if is_account_name(path.name))
