"""What `client-config` prints for each host, on each system."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.hosts.golden import CORE, FOLDER, MACHINES, render
from tests.tables import for_each
from whatsapp_mcp.cli.hosts import Host, Launch, System, http_snippet, known_hosts, launch_of, snippet
from whatsapp_mcp.cli.hosts.table import CLAUDE_DESKTOP
from whatsapp_mcp.errors import InvalidArgument

AWKWARD = Launch(
    "/opt/my tools/whatsapp-mcp", ("--account", "wörk"), (("WHATSAPP_MCP_HOME", 'C:\\Users\\A "B"\\wa'),)
)
LINUX = MACHINES[System.LINUX]


def launch_in(host: Host, text: str, read: Callable[[str], Any] = json.loads) -> Launch | None:
    """How the host would start the server, from what is printed for it."""
    if host.command is not None:
        program, *words = shlex.split(text)
        assert program == host.command.program
        flag = "-e" if "-e" in words else "--env"
        pairs = [words[i + 1].partition("=") for i, word in enumerate(words) if word == flag]
        begin = words.index("whatsapp") + 1
        command = [word for word in words[begin:] if word not in {"--", flag, "=".join(pairs[0][::2])}]
        return Launch(command[0], tuple(command[1:]), tuple((key, value) for key, _, value in pairs))
    servers = read(text)[host.container]
    return launch_of(servers[0] if isinstance(servers, list) else servers["whatsapp"])


def check_awkward(host: Host, read: Callable[[str], Any] = json.loads) -> None:
    """See that what is printed carries command, arguments and environment unharmed."""
    assert launch_in(host, snippet(host, AWKWARD, "whatsapp", LINUX).text, read) == AWKWARD


def check_token(host: Host) -> None:
    """See that no token is printed, and that the host is said where its token goes."""
    text, where = http_snippet(host, "whatsapp", LINUX, port=9000, public="https://wa.example.org")

    assert "wamcp_" not in text
    assert ("whatsapp-mcp token create" in where) is not host.http.signs_in
    assert ":9000/" in text or "wa.example.org" in text


def check_starts_this(host: Host, folder: Path, read: Callable[[str], Any] = json.loads) -> None:
    """See that the command that is printed starts this installation."""
    printed = client_config(host.name, "--account", "work", home=folder)

    launch = launch_in(host, printed.replace("whatsapp-work", "whatsapp"), read)
    assert launch is not None
    assert dict(launch.env) == {"WHATSAPP_MCP_HOME": str(folder)}
    assert launch.args[-2:] == ("--account", "work")
    assert Path(launch.command).is_absolute()
    assert launch.is_ours()
    started = subprocess.run(
        [launch.command, *launch.args[:-2], "--version"], capture_output=True, text=True, timeout=60
    )
    assert started.stdout.startswith("whatsapp-mcp ")


def client_config(*words: str, home: Path) -> str:
    """What `whatsapp-mcp client-config` prints."""
    return subprocess.run(
        [sys.executable, "-m", "whatsapp_mcp", "client-config", *words],
        env=os.environ | {"WHATSAPP_MCP_HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def test_those_that_are_set_up_by_install_are_listed_before_those_that_are_set_up_by_hand() -> None:
    automatic = [host.is_automatic for host in known_hosts()]
    assert automatic == sorted(automatic, reverse=True)
    assert [host for host in known_hosts() if host in CORE] == [*CORE]


@for_each("host", CORE)
def test_what_is_printed_is_as_it_was_looked_at(host: Host) -> None:
    assert render(host) == (FOLDER / f"{host.name}.txt").read_text(encoding="utf-8")


@for_each("host", CORE)
def test_what_is_printed_carries_command_arguments_and_environment_unharmed(host: Host) -> None:
    check_awkward(host)


@for_each("host", CORE)
def test_no_token_is_printed_and_each_host_is_told_where_its_token_goes(host: Host) -> None:
    check_token(host)


def test_a_host_elsewhere_needs_a_public_url() -> None:
    with pytest.raises(InvalidArgument) as refused:
        http_snippet(CLAUDE_DESKTOP, "whatsapp", LINUX, port=8808, public=None)
    assert "server.public_url" in refused.value.action


def test_the_printed_command_starts_this_installation(tmp_path: Path) -> None:
    check_starts_this(CLAUDE_DESKTOP, tmp_path)


def test_the_form_for_http_is_printed_where_it_is_asked_for(tmp_path: Path) -> None:
    printed = client_config("generic", "--http", home=tmp_path)

    assert json.loads(printed)["mcpServers"]["whatsapp"]["url"] == "http://127.0.0.1:8808/mcp"
