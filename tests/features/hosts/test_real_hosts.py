"""What the models of real MCP hosts other than Claude are given of our answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.features.hosts.codex import Codex
from tests.features.hosts.gemini_cli import GeminiCli
from tests.features.hosts.opencode import Opencode
from tests.features.hosts.page import PAGE
from tests.features.hosts.qwen_code import QwenCode
from tests.hosts.conftest import offline
from tests.hosts.conversations import check_an_agent, check_installing, check_the_qr, check_the_rule
from tests.hosts.host import Host, converse
from tests.hosts.story import Story
from tests.hosts.test_hosts import story
from whatsapp_mcp.cli.hosts import Launch
from whatsapp_mcp.features.hosts import CODEX_WAITS

__all__ = ["offline", "story"]

pytestmark = [pytest.mark.anyio, pytest.mark.hosts]

HOSTS: dict[str, Host] = {
    "Codex": Codex(),
    "Gemini CLI": GeminiCli(),
    "Qwen Code": QwenCode(),
    "opencode": Opencode(),
}


@pytest.mark.parametrize("name", HOSTS)
async def test_an_agent_is_shown_fenced_text_and_a_picture_and_sends(
    story: Story, name: str, tmp_path: Path
) -> None:
    await check_an_agent(HOSTS[name], story, tmp_path)


@pytest.mark.parametrize("options", [(), ("--structured",)], ids=["text", "structured"])
@pytest.mark.parametrize("name", HOSTS)
async def test_the_rule_that_stands_for_a_host_is_what_it_does(
    story: Story, name: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    await check_the_rule(name, HOSTS[name], story, options, tmp_path)


@pytest.mark.parametrize("name", HOSTS)
async def test_the_qr_of_linking_is_shown(name: str, tmp_path: Path) -> None:
    await check_the_qr(HOSTS[name], tmp_path)


@pytest.mark.parametrize("name", HOSTS)
async def test_what_install_did_is_found_and_undone(name: str, tmp_path: Path) -> None:
    await check_installing(HOSTS[name], tmp_path)


async def test_codex_exec_waits_for_no_server_unless_it_is_told_to_as_the_page_says(tmp_path: Path) -> None:
    silent = Launch("/usr/bin/tail", ("-f", "/dev/null"))
    model = await converse(Codex(waits=False), tmp_path / "user", silent, [])
    assert model.offered == []
    assert CODEX_WAITS in PAGE.read_text(encoding="utf-8")


async def test_codex_does_not_start_without_a_server_that_is_required(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="required MCP servers failed to initialize"):
        await converse(Codex(), tmp_path / "user", Launch("/bin/false"), [])
