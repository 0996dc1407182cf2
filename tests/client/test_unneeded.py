"""What a client process does not load."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.client.client_process import NOWHERE, client_process

pytestmark = pytest.mark.anyio

BROUGHT_ALONG = {"bs4", "httpcore", "httpx._client", "requests.adapters", "segno.encoder", "urllib3"}
"""Modules that the packages load when they are really imported."""


async def test_a_client_process_loads_the_library_without_its_http_clients(tmp_path: Path) -> None:
    async with client_process(tmp_path, {**NOWHERE, "PYTHONPROFILEIMPORTTIME": "1"}):
        told = (tmp_path / "client.log").read_text().splitlines()
    loaded = {line.rpartition("|")[2].strip() for line in told if line.startswith("import time:")}
    assert {"neonize.aioze.client", "httpx", "linkpreview"} <= loaded
    assert loaded.isdisjoint(BROUGHT_ALONG)
