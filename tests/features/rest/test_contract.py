"""A running server answers as its OpenAPI document says; `make test-api` asks it more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.features.rest.contract import contract

pytestmark = pytest.mark.anyio


async def test_a_running_server_keeps_to_its_document(home: Path) -> None:
    code, told = await contract(home, examples=2, phases="fuzzing", seed=1)

    assert code == 0, told
    (selected,) = re.findall(r"(\d+) selected", told)
    assert int(selected) > 50, told
