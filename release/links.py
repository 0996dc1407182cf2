"""Links that add the server to an application: a click, then the application asks.

The forms are documented at https://code.visualstudio.com/api/extension-guides/ai/mcp and
https://cursor.com/docs/context/mcp/install-links.
"""

from __future__ import annotations

import base64
import json
from enum import StrEnum
from typing import Final
from urllib.parse import quote, urlencode

SERVER: Final = "whatsapp"


class Linked(StrEnum):
    """The applications that know such links."""

    CURSOR = "cursor"
    VSCODE = "vscode"


def install_link(application: Linked, command: str, arguments: tuple[str, ...]) -> str:
    """The link that adds the server, started by this command."""
    entry = {"command": command, "args": list(arguments)}
    if application is Linked.VSCODE:
        return "vscode:mcp/install?" + quote(_compact({"name": SERVER, "type": "stdio", **entry}), safe="")
    config = base64.b64encode(_compact(entry).encode()).decode()
    return "cursor://anysphere.cursor-deeplink/mcp/install?" + urlencode({"name": SERVER, "config": config})


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
