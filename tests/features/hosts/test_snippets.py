"""What `client-config` prints for each of the other hosts, on each system."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.hosts.golden import render
from tests.cli.hosts.test_snippets import check_awkward, check_starts_this, check_token, client_config
from tests.features.hosts.golden import FOLDER
from tests.tables import for_each
from whatsapp_mcp.cli.hosts import Host
from whatsapp_mcp.features.hosts import OTHER_HOSTS

READERS: dict[str, Callable[[str], Any]] = {
    "JSON": json.loads,
    "TOML": tomllib.loads,
    "YAML": yaml.safe_load,
}
BY_NAME = {host.name: host for host in OTHER_HOSTS}
AUTOMATIC = "codex gemini-cli qwen-code cursor vscode opencode windsurf zed lm-studio goose"
PRINTED = "cline continue warp copilot-cli amp n8n open-webui librechat home-assistant claude-ai chatgpt"


def test_every_host_of_the_list_is_in_the_table() -> None:
    assert [host.name for host in OTHER_HOSTS if host.is_automatic] == AUTOMATIC.split()
    assert [host.name for host in OTHER_HOSTS if not host.is_automatic] == PRINTED.split()


@for_each("host", OTHER_HOSTS)
def test_what_is_printed_is_as_it_was_looked_at(host: Host) -> None:
    assert render(host) == (FOLDER / f"{host.name}.txt").read_text(encoding="utf-8")


@for_each("host", [host for host in OTHER_HOSTS if host.entry is not None])
def test_what_is_printed_carries_command_arguments_and_environment_unharmed(host: Host) -> None:
    check_awkward(host, READERS[host.format.name])


@for_each("host", OTHER_HOSTS)
def test_no_token_is_printed_and_each_host_is_told_where_its_token_goes(host: Host) -> None:
    check_token(host)


@pytest.mark.parametrize("name", ["codex", "goose"])
def test_the_printed_command_starts_this_installation(name: str, tmp_path: Path) -> None:
    host = BY_NAME[name]
    check_starts_this(host, tmp_path, READERS[host.format.name])


def test_the_form_for_http_is_printed_for_a_host_that_starts_nothing(tmp_path: Path) -> None:
    assert client_config("n8n", home=tmp_path) == "http://host.docker.internal:8808/mcp\n"
