"""What a client process does not load."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.client.client_process import NOWHERE, client_process

pytestmark = pytest.mark.anyio

BROUGHT_ALONG = {
    "bs4", "httpcore", "httpx._client", "neonize.ext.interactive_message.button", "requests.adapters",
    "segno.encoder", "urllib3",
}  # fmt: skip
"""Modules that the packages load when they are really imported."""
OF_SERVERS = {"whatsapp_mcp.models", "whatsapp_mcp.settings", "pydantic"}
"""What is between the rooms of a server: it would double the time of a client's start."""


async def test_a_client_process_loads_the_library_without_what_no_call_needs(tmp_path: Path) -> None:
    async with client_process(tmp_path, {**NOWHERE, "PYTHONPROFILEIMPORTTIME": "1"}):
        told = (tmp_path / "client.log").read_text().splitlines()
    loaded = {line.rpartition("|")[2].strip() for line in told if line.startswith("import time:")}
    assert {"neonize.aioze.client", "httpx", "linkpreview"} <= loaded
    assert loaded.isdisjoint(BROUGHT_ALONG | OF_SERVERS)
