"""What is printed for each of these hosts, as files to look at: `python -m tests.features.hosts.golden`."""

from __future__ import annotations

from pathlib import Path

from tests.cli.hosts.golden import write
from whatsapp_mcp.features.hosts import OTHER_HOSTS

FOLDER = Path(__file__).with_name("golden")

if __name__ == "__main__":
    write(OTHER_HOSTS, FOLDER)
