"""`whatsapp-mcp-fleet node`: lead accounts that several machines share."""

from __future__ import annotations

import sys

import anyio

from whatsapp_fleet.cli.loading import loaded_settings
from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.system import share_arenas


def node(platform: str = sys.platform) -> None:
    """Lead accounts until a signal comes.

    Args:
        platform: As `sys.platform` says it.

    Raises:
        Unsupported: An extra is not installed, or the system has no clock of leases.
        InvalidArgument: A setting or the database cannot be used, or another node uses the home folder.
    """
    loaded = loaded_settings()
    if platform != "linux":
        raise Unsupported(
            "A node runs on Linux alone: other systems have no timer that ends a client with its lease.",
            "Run it on a Linux machine or in a container.",
        )
    share_arenas()
    from whatsapp_fleet.node import run_node
    from whatsapp_mcp.server.log import log_to_stderr

    log_to_stderr(loaded.log_level, loaded.log_format)
    anyio.run(run_node, loaded)
