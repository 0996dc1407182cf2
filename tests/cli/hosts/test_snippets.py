"""What `client-config` prints for each host, on each system."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.hosts.golden import FOLDER, MACHINES, render
from tests.tables import for_each
from whatsapp_mcp.cli.hosts import HOSTS, Host, Launch, System, http_snippet, launch_of, snippet
from whatsapp_mcp.errors import InvalidArgument

AWKWARD = Launch(
    "/opt/my tools/whatsapp-mcp", ("--account", "wörk"), (("WHATSAPP_MCP_HOME", 'C:\\Users\\A "B"\\wa'),)
)
LINUX = MACHINES[System.LINUX]
STARTING = [host for host in HOSTS if host.entry is not None]
AUTOMATIC = (
    "claude-desktop claude-code codex gemini-cli qwen-code cursor vscode opencode windsurf zed lm-studio "
    "goose"
)
PRINTED = "cline continue warp copilot-cli amp n8n open-webui librechat home-assistant claude-ai chatgpt"


@pytest.fixture(params=STARTING, ids=lambda host: host.name)
def host(request: pytest.FixtureRequest) -> Host:
    """A host that starts programs."""
    return request.param


def launch_in(host: Host, text: str) -> Launch | None:
    """How the host would start the server, from what is printed for it."""
    if host.command is not None:
        program, *words = shlex.split(text)
        assert program == host.command.program
        flag = "-e" if "-e" in words else "--env"
        pairs = [words[i + 1].partition("=") for i, word in enumerate(words) if word == flag]
        begin = words.index("whatsapp") + 1
        command = [word for word in words[begin:] if word not in {"--", flag, "=".join(pairs[0][::2])}]
        return Launch(command[0], tuple(command[1:]), tuple((key, value) for key, _, value in pairs))
    readers = {"JSON": json.loads, "TOML": tomllib.loads, "YAML": yaml.safe_load}
    servers: Any = readers[host.format.name](text)[host.container]
    return launch_of(servers[0] if isinstance(servers, list) else servers["whatsapp"])


def test_every_host_of_the_list_is_in_the_table() -> None:
    assert [host.name for host in HOSTS if host.is_automatic] == AUTOMATIC.split()
    assert [host.name for host in HOSTS if not host.is_automatic] == PRINTED.split()


@for_each("each", HOSTS)
def test_what_is_printed_is_as_it_was_looked_at(each: Host) -> None:
    assert render(each) == (FOLDER / f"{each.name}.txt").read_text(encoding="utf-8")


def test_what_is_printed_carries_command_arguments_and_environment_unharmed(host: Host) -> None:
    assert launch_in(host, snippet(host, AWKWARD, "whatsapp", LINUX).text) == AWKWARD


@for_each("each", HOSTS)
def test_no_token_is_printed_and_each_host_is_told_where_its_token_goes(each: Host) -> None:
    text, where = http_snippet(each, "whatsapp", LINUX, port=9000, public="https://wa.example.org")

    assert "wamcp_" not in text
    assert ("whatsapp-mcp token create" in where) is not each.http.signs_in
    assert ":9000/" in text or "wa.example.org" in text


def test_a_host_elsewhere_needs_a_public_url() -> None:
    remote = next(host for host in HOSTS if host.name == "chatgpt")

    with pytest.raises(InvalidArgument) as refused:
        http_snippet(remote, "whatsapp", LINUX, port=8808, public=None)
    assert "server.public_url" in refused.value.action


@pytest.mark.parametrize("name", ["cursor", "codex", "goose"])
def test_the_printed_command_starts_this_installation(name: str, tmp_path: Path) -> None:
    host = next(host for host in HOSTS if host.name == name)
    printed = subprocess.run(
        [sys.executable, "-m", "whatsapp_mcp", "client-config", host.name, "--account", "work"],
        env=os.environ | {"WHATSAPP_MCP_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    launch = launch_in(host, printed.stdout.replace("whatsapp-work", "whatsapp"))
    assert launch is not None
    assert dict(launch.env) == {"WHATSAPP_MCP_HOME": str(tmp_path)}
    assert launch.args[-2:] == ("--account", "work")
    assert Path(launch.command).is_absolute()
    assert launch.is_ours()
    started = subprocess.run(
        [launch.command, *launch.args[:-2], "--version"], capture_output=True, text=True, timeout=60
    )
    assert started.stdout.startswith("whatsapp-mcp ")


def test_the_form_for_http_is_printed_for_a_host_that_starts_nothing(tmp_path: Path) -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "whatsapp_mcp", "client-config", "n8n"],
        env=os.environ | {"WHATSAPP_MCP_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert printed.stdout == "http://host.docker.internal:8808/mcp\n"
