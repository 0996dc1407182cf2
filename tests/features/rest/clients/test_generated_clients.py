"""Clients that generators make of the document lack nothing, and every operation works with them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.core import CORE_TOOLS
from tests.features.rest.clients import generated
from tests.features.rest.clients.generated import Call
from tests.server.everything import everything
from tests.server.fakes import FakeSource
from tests.server.over_http import TOKEN, listening

pytestmark = [pytest.mark.anyio, pytest.mark.clients]
LIMIT = 240
LAST = ("reconnect", "unlink_device")
"""After all others: they end the connection."""


@dataclass
class Served:
    """A server on the simulated WhatsApp, its document, and a call of each operation in it."""

    base: str
    document: Path
    calls: list[Call]

    @property
    def names(self) -> list[str]:
        return [call["name"] for call in self.calls]


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with opened(tmp_path) as made:
        yield made


@asynccontextmanager
async def opened(tmp_path: Path) -> AsyncIterator[Served]:
    async with everything(tmp_path / "home") as world:
        linked: Any = world.linked
        source = FakeSource(
            linked.device, linked.archive, linked.home, worker=linked.worker, roots=(linked.shared,)
        )
        async with listening(source) as http:
            told = (await http.get("/api/v1/openapi.json")).json()
            document = tmp_path / "openapi.json"
            document.write_text(json.dumps(told), encoding="utf-8")
            calls: list[Call] = []
            for path, methods in told["paths"].items():
                (operation,) = methods.values()
                name = operation["operationId"]
                if name not in {"media", "events", *CORE_TOOLS}:
                    continue
                call = {"name": name, "path": path, "tag": (operation.get("tags") or ["default"])[0]}
                if name == "media":
                    call["ref"] = int(world.refs["image"].removeprefix("#"))
                elif name != "events":
                    call["body"] = world.good(name)
                calls.append(call)
            calls.sort(key=lambda call: LAST.index(call["name"]) if call["name"] in LAST else -1)
            with anyio.fail_after(LIMIT):
                yield Served(str(http.base_url).rstrip("/"), document, calls)


async def test_the_client_of_openapi_python_client_calls_every_operation(
    served: Served, tmp_path: Path
) -> None:
    told = await generated.python_client(served.document, tmp_path)
    assert "WARNING" not in told
    assert "0 errors, 0 warnings" in await generated.python_types(tmp_path)
    assert await generated.python_calls(tmp_path, served.base, TOKEN, served.calls) == served.names


@pytest.mark.parametrize("generator", ["openapi_fetch", "hey_api"])
async def test_the_client_of_a_typescript_generator_compiles_and_calls_every_operation(
    served: Served, tmp_path: Path, generator: str
) -> None:
    folder = tmp_path / "client"
    folder.mkdir()
    told = await getattr(generated, generator)(served.document, folder, served.calls)
    assert "warn" not in told.lower(), told
    assert await generated.typescript_calls(folder, served.base, TOKEN) == served.names
