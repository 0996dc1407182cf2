"""What the models of real MCP hosts are given of our answers."""

from __future__ import annotations

import io
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from mcp.types import CallToolResult
from PIL import Image

from tests.docs.examples import examples
from tests.docs.hosts_page import PAGE
from tests.hosts.claude_code import ClaudeCode
from tests.hosts.codex import Codex
from tests.hosts.gemini_cli import GeminiCli
from tests.hosts.host import Host, converse, new_user
from tests.hosts.opencode import Opencode
from tests.hosts.qwen_code import QwenCode
from tests.hosts.scripted_model import Call
from tests.hosts.story import INJECTION, Story, told, whatsapp_and_home
from tests.server.hosts import HOSTS as RULES
from whatsapp_mcp.cli.hosts import CODEX_WAITS, Launch, Machine, System, found

pytestmark = [pytest.mark.anyio, pytest.mark.hosts]

HOSTS: dict[str, Host] = {
    "Claude Code": ClaudeCode(),
    "Codex": Codex(),
    "Gemini CLI": GeminiCli(),
    "Qwen Code": QwenCode(),
    "opencode": Opencode(),
}
CORE = {"connection_status", "list_chats", "list_messages", "search_messages", "send_message", "link_device"}
READING = [
    Call("list_messages", {"chat": "Mallory"}),
    Call("search_messages", {"query": "charcoal"}),
    Call("list_messages", {"chat": "Nobody"}),
    Call("download_media", {"message": "#3"}),
]


@pytest.fixture(scope="module")
async def story(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    """A linked account with some chats."""
    async with told(tmp_path_factory.mktemp("story")) as linked:
        yield linked


def without_codes(text: str) -> str:
    """The text, with fences as they are without the random code of each answer."""
    return re.sub(r"(</?\w+) \d{6}>", r"\1>", text)


@pytest.mark.parametrize("name", HOSTS)
async def test_an_agent_is_shown_fenced_text_and_a_picture_and_sends(
    story: Story, name: str, tmp_path: Path
) -> None:
    answer = f"Yes, says {name}"
    calls = [
        Call("connection_status"),
        Call("list_chats"),
        Call("list_messages", {"chat": "Mallory"}),
        Call("send_message", {"chat": "Ann Byrne", "text": answer}),
        Call("download_media", {"message": "#3"}),
    ]
    model = await converse(HOSTS[name], tmp_path / "user", story.launch(), calls)
    offered = {re.sub(r"^.*whatsapp[._]+", "", tool) for tool in model.offered}
    assert offered >= CORE
    status, chats, messages, sent, _ = (without_codes(shown.text) for shown in model.shown)
    assert "online" in status
    assert "Ann Byrne" in chats
    assert "~Mallory" in chats
    assert f"~Mallory: {INJECTION}\n</messages>" in messages.partition("<messages>")[2]
    assert not [shown.text for shown in model.shown if '":' in shown.text]
    assert "sent" in sent.lower()
    assert story.ann.inbox[-1].text == answer
    (picture,) = model.shown[-1].images
    with Image.open(io.BytesIO(picture)) as image:
        assert (image.format, image.size) == ("JPEG", (32, 16))


@pytest.mark.parametrize("options", [(), ("--structured",)], ids=["text", "structured"])
@pytest.mark.parametrize("name", HOSTS)
async def test_the_rule_that_stands_for_a_host_is_what_it_does(
    story: Story, name: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    model = await converse(HOSTS[name], tmp_path / "user", story.launch(*options), READING)
    async with story.client(*options) as client:
        for call, shown in zip(READING, model.shown, strict=True):
            result = await client.call_tool(call.tool, call.arguments)
            assert isinstance(result, CallToolResult)
            seen = RULES[name](result)
            assert len(shown.images) == seen.images
            before, ours, after = without_codes(shown.text).partition(without_codes(seen.text))
            assert ours, shown.text
            assert HOSTS[name].wrapping.fullmatch(f"{before}…{after}"), shown.text


@pytest.mark.parametrize("name", HOSTS)
async def test_the_qr_of_linking_is_shown(name: str, tmp_path: Path) -> None:
    async with whatsapp_and_home(tmp_path) as story:
        model = await converse(HOSTS[name], tmp_path / "user", story.launch(), [Call("link_device")])
        (qr,) = model.shown[0].images
    with Image.open(io.BytesIO(qr)) as image:
        assert image.format == "PNG"
        assert image.width == image.height


@pytest.mark.parametrize("name", HOSTS)
async def test_what_install_did_is_found_and_undone(name: str, tmp_path: Path) -> None:
    launch = Launch("/bin/false", (), (("WHATSAPP_MCP_HOME", str(tmp_path / "home")),))
    user = new_user(HOSTS[name], tmp_path / "user", launch, "http://127.0.0.1:1")
    machine = Machine(System.LINUX, str(user.home))
    wrapper = str(user.home / "bin" / "whatsapp-mcp")
    which: tuple[tuple[str, ...], ...] = ((), (), ("--account", "work"))
    for account in which:
        await user.whatsapp_mcp("install", HOSTS[name].name, "--yes", *account)

    installed = {each.name: each.launch for each in found(machine) if each.host.name == HOSTS[name].name}

    assert installed == {
        "whatsapp": Launch(wrapper, (), launch.env),
        "whatsapp-work": Launch(wrapper, ("--account", "work"), launch.env),
    }
    for account in which:
        await user.whatsapp_mcp("install", HOSTS[name].name, "--undo", "--yes", *account)
    assert found(machine) == []


async def test_codex_exec_waits_for_no_server_unless_it_is_told_to_as_the_page_says(tmp_path: Path) -> None:
    silent = Launch("/usr/bin/tail", ("-f", "/dev/null"))
    model = await converse(Codex(waits=False), tmp_path / "user", silent, [])
    assert model.offered == []
    assert CODEX_WAITS in PAGE.read_text(encoding="utf-8")


async def test_codex_does_not_start_without_a_server_that_is_required(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="required MCP servers failed to initialize"):
        await converse(Codex(), tmp_path / "user", Launch("/bin/false"), [])


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
    page = PAGE.with_name("agent.md")
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
