"""What holds for a real MCP host: what its model is given of our answers, and how it is set up."""

from __future__ import annotations

import io
import re
from pathlib import Path

from mcp.types import CallToolResult
from PIL import Image

from tests.hosts.host import Host, converse, new_user
from tests.hosts.scripted_model import Call
from tests.hosts.story import INJECTION, Story, whatsapp_and_home
from tests.server.hosts import HOSTS as RULES
from whatsapp_mcp.cli.hosts import Launch, Machine, System, found

CORE = {"connection_status", "list_chats", "list_messages", "search_messages", "send_message", "link_device"}
READING = [
    Call("list_messages", {"chat": "Mallory"}),
    Call("search_messages", {"query": "charcoal"}),
    Call("list_messages", {"chat": "Nobody"}),
    Call("download_media", {"message": "#3"}),
]


def without_codes(text: str) -> str:
    """The text, with fences as they are without the random code of each answer."""
    return re.sub(r"(</?\w+) \d{6}>", r"\1>", text)


async def check_an_agent(host: Host, story: Story, folder: Path) -> None:
    """See that an agent is shown fenced text and a picture, and sends."""
    answer = f"Yes, says {host.name}"
    calls = [
        Call("connection_status"),
        Call("list_chats"),
        Call("list_messages", {"chat": "Mallory"}),
        Call("send_message", {"chat": "Ann Byrne", "text": answer}),
        Call("download_media", {"message": "#3"}),
    ]
    model = await converse(host, folder / "user", story.launch(), calls)
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


async def check_the_rule(name: str, host: Host, story: Story, options: tuple[str, ...], folder: Path) -> None:
    """See that the rule that stands for a host is what it does."""
    model = await converse(host, folder / "user", story.launch(*options), READING)
    async with story.client(*options) as client:
        for call, shown in zip(READING, model.shown, strict=True):
            result = await client.call_tool(call.tool, call.arguments)
            assert isinstance(result, CallToolResult)
            seen = RULES[name](result)
            assert len(shown.images) == seen.images
            before, ours, after = without_codes(shown.text).partition(without_codes(seen.text))
            assert ours, shown.text
            assert host.wrapping.fullmatch(f"{before}…{after}"), shown.text


async def check_the_qr(host: Host, folder: Path) -> None:
    """See that the QR code of linking is shown."""
    async with whatsapp_and_home(folder) as story:
        model = await converse(host, folder / "user", story.launch(), [Call("link_device")])
        (qr,) = model.shown[0].images
    with Image.open(io.BytesIO(qr)) as image:
        assert image.format == "PNG"
        assert image.width == image.height


async def check_installing(host: Host, folder: Path) -> None:
    """See that what `install` did is found and undone."""
    launch = Launch("/bin/false", (), (("WHATSAPP_MCP_HOME", str(folder / "home")),))
    user = new_user(host, folder / "user", launch, "http://127.0.0.1:1")
    machine = Machine(System.LINUX, str(user.home))
    wrapper = str(user.home / "bin" / "whatsapp-mcp")
    which: tuple[tuple[str, ...], ...] = ((), (), ("--account", "work"))
    for account in which:
        await user.whatsapp_mcp("install", host.name, "--yes", *account)

    installed = {each.name: each.launch for each in found(machine) if each.host.name == host.name}

    assert installed == {
        "whatsapp": Launch(wrapper, (), launch.env),
        "whatsapp-work": Launch(wrapper, ("--account", "work"), launch.env),
    }
    for account in which:
        await user.whatsapp_mcp("install", host.name, "--undo", "--yes", *account)
    assert found(machine) == []
