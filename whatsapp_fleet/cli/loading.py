"""The settings of a command that needs a database, once what that takes is known to be installed."""

from __future__ import annotations

import importlib.util

from whatsapp_fleet.settings import FleetSettings, load
from whatsapp_mcp.cli.installation import DISTRIBUTION, EXTRAS
from whatsapp_mcp.errors import Unsupported


def loaded_settings() -> FleetSettings:
    """The settings of this machine.

    Raises:
        InvalidArgument: One cannot be used.
        Unsupported: An extra is not installed.
    """
    loaded = load()
    if importlib.util.find_spec(EXTRAS["postgres"]) is None:
        raise Unsupported("The driver of PostgreSQL is not installed.", f"Install {DISTRIBUTION}[postgres].")
    if loaded.node.files.startswith("s3:") and importlib.util.find_spec(EXTRAS["objects"]) is None:
        raise Unsupported(
            "What reads and writes buckets is not installed.", f"Install {DISTRIBUTION}[objects]."
        )
    return loaded
