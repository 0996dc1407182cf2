"""What the model of a real MCP host, Claude Code, is given of our answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from tests.docs import site
from tests.docs.examples import examples
from tests.hosts.claude_code import ClaudeCode
from tests.hosts.conversations import check_an_agent, check_installing, check_the_qr, check_the_rule
from tests.hosts.host import converse, new_user
from tests.hosts.scripted_model import Call
from tests.hosts.story import Story, told
from whatsapp_mcp.cli.hosts import Launch

pytestmark = [pytest.mark.anyio, pytest.mark.hosts]


@pytest.fixture(scope="module")
async def story(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    """A linked account with some chats."""
    async with told(tmp_path_factory.mktemp("story")) as linked:
        yield linked


async def test_an_agent_is_shown_fenced_text_and_a_picture_and_sends(story: Story, tmp_path: Path) -> None:
    await check_an_agent(ClaudeCode(), story, tmp_path)


@pytest.mark.parametrize("options", [(), ("--structured",)], ids=["text", "structured"])
async def test_the_rule_that_stands_for_a_host_is_what_it_does(
    story: Story, options: tuple[str, ...], tmp_path: Path
) -> None:
    await check_the_rule("Claude Code", ClaudeCode(), story, options, tmp_path)


async def test_the_qr_of_linking_is_shown(tmp_path: Path) -> None:
    await check_the_qr(ClaudeCode(), tmp_path)


async def test_what_install_did_is_found_and_undone(tmp_path: Path) -> None:
    await check_installing(ClaudeCode(), tmp_path)


async def test_claude_code_opens_a_channel_with_a_revision_that_has_channels(
    story: Story, tmp_path: Path
) -> None:
    # Without its vendor's servers it switches channels off, so that nothing is pushed here.
    calls = [Call("connection_status"), Call("list_chats")]
    launch = story.launch("--channel", "self")
    model = await converse(ClaudeCode(), tmp_path / "user", launch, calls)
    status, chats = (shown.text for shown in model.shown)
    assert "online" in status
    assert "Ann Byrne" in chats


async def test_the_page_about_the_channel_adds_servers_that_claude_code_starts_for_a_chat(
    tmp_path: Path,
) -> None:
    page = site.DOCS / "agent.md"
    lines = [one.body for one in examples(page) if one.run_by and one.body.startswith("claude ")]
    user = new_user(ClaudeCode(), tmp_path / "user", Launch("/bin/false"), "http://127.0.0.1:1")
    for line in lines:
        done = await anyio.run_process(["bash", "-c", line], env=user.environment, cwd=user.home)
        assert done.returncode == 0
    servers = json.loads((user.home / ".claude.json").read_text(encoding="utf-8"))["projects"][str(user.home)]
    started = {name: (entry["command"], *entry["args"]) for name, entry in servers["mcpServers"].items()}
    assert started == {
        "whatsapp-channel": ("whatsapp-mcp", "serve", "--channel", "self"),
        "ann-channel": ("whatsapp-mcp", "serve", "--channel", "+15550002222"),
    }
