"""Every example does what it says, as a process of its own, on a simulated WhatsApp."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from tests.fixtures import HttpServer, client_of, environment, http_server, link, until
from whatsapp_mcp.cli.hosts import Launch, entry_of, rendered
from whatsapp_mcp.cli.hosts.table import CLAUDE_DESKTOP
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.people import Person

pytestmark = pytest.mark.anyio

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = Path(sys.executable).parent


@pytest.fixture
async def ann(whatsapp: WhatsApp) -> Person:
    """Somebody who writes."""
    return whatsapp.person("Ann Byrne")


@pytest.fixture
async def server(whatsapp: WhatsApp, home: Path, ann: Person) -> AsyncIterator[HttpServer]:
    """A linked server to which Ann has written."""
    async with http_server(whatsapp, home) as running:
        async with client_of(running, "http") as client:
            await link(client, whatsapp)
            whatsapp.me.app_state.name_contact(ann, ann.name)
            whatsapp.me.app_state.share_key()
            await ann.says("Shall I take both tins?")
            await until(client, lambda page: "saved_name" in str(page), "search_contacts", query=ann.name)
            await until(client, lambda page: len(page["chats"]) == 1, "list_chats")
        yield running


async def run(script: str, *words: str, variables: dict[str, str]) -> str:
    """What an example prints."""
    program = [sys.executable, str(EXAMPLES / script), *words]
    with anyio.fail_after(60):
        done = await anyio.run_process(program, env=variables, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def variables_for(script: str, server: HttpServer, whatsapp: WhatsApp, home: Path) -> dict[str, str]:
    """The environment that the README tells to set for this example."""
    variables = environment(whatsapp, home)
    variables["PATH"] = f"{SCRIPTS}:{variables.get('PATH', '')}"
    path = "/sse" if script.startswith("sse") else "/mcp"
    return {**variables, "WHATSAPP_URL": server.base + path, "WHATSAPP_TOKEN": server.token}


@pytest.mark.parametrize("script", ["stdio_agent.py", "streamable_http_agent.py", "sse_agent.py"])
async def test_an_agent_says_who_waits_and_sends_once(
    script: str, server: HttpServer, whatsapp: WhatsApp, home: Path, ann: Person
) -> None:
    variables = variables_for(script, server, whatsapp, home)
    waiting = await run(script, variables=variables)
    assert re.search(r"Ann Byrne .*: Shall I take both tins\?", waiting)

    for _ in range(2):
        words = ("Tell", "Ann", "Byrne:", "Yes", "please.")
        said = await run(script, *words, variables=variables)
        assert re.search(r"'Yes please\.': \w+ to Ann Byrne \+\d+ as #\d+", said)
    assert (await ann.receives()).text == "Yes please."
    assert len(ann.inbox) == 1


async def test_an_agent_passes_on_what_to_do_when_a_tool_fails(
    server: HttpServer, whatsapp: WhatsApp, home: Path
) -> None:
    script = "streamable_http_agent.py"
    variables = variables_for(script, server, whatsapp, home)
    said = await run(script, "Tell", "Nobody", "Here:", "hello", variables=variables)
    assert said.startswith("CHAT_NOT_FOUND")


@pytest.mark.parametrize("script", ["streamable_http_agent.py", "sse_agent.py"])
def test_an_agent_without_an_address_says_what_to_set(script: str) -> None:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("WHATSAPP_")}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / script)], env=bare, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Set WHATSAPP_URL")


async def test_the_claude_desktop_configuration_starts_a_server(whatsapp: WhatsApp, home: Path) -> None:
    entry = json.loads((EXAMPLES / "claude-desktop.json").read_text())["mcpServers"]["whatsapp"]
    program = shutil.which(entry["command"], path=str(SCRIPTS))
    assert program, "whatsapp-mcp is not installed beside this Python"
    variables = environment(whatsapp, home)
    async with Client(StdioServerParameters(command=program, args=entry["args"], env=variables)) as client:
        assert "connection_status" in {tool.name for tool in (await client.list_tools()).tools}


def test_the_claude_desktop_configuration_is_what_client_config_prints() -> None:
    entry = entry_of(CLAUDE_DESKTOP, Launch("whatsapp-mcp", ("serve",)), "whatsapp")
    printed = rendered(CLAUDE_DESKTOP, "whatsapp", entry)
    assert json.loads(printed) == json.loads((EXAMPLES / "claude-desktop.json").read_text())


def test_the_readme_names_every_example() -> None:
    text = (EXAMPLES / "README.md").read_text()
    for file in EXAMPLES.iterdir():
        assert file.is_dir() or file.name == "README.md" or f"({file.name})" in text, file.name
