"""A running server answers as its OpenAPI document says; `make test-api` asks it more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.server.rest.contract import contract

pytestmark = pytest.mark.anyio


async def test_a_running_server_keeps_to_its_document(home: Path) -> None:
    code, told = await contract(home, examples=2, phases="fuzzing", seed=1)

    assert code == 0, told
    assert "0 selected" not in told
