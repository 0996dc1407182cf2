"""Being told of a message, from the phone that sends it to the client, on each transport."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.types import ResourceUpdatedNotification

from tests.fixtures import Transport, client_of, http_server, link, mcp_client
from whatsapp_simulator import WhatsApp

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning"),
]
LIMIT = 60
UNREAD = "whatsapp://unread"
PAGE = Path(__file__).parents[2] / "docs" / "toolsets.md"


def from_the_page() -> Any:
    """The function that the page shows."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    found: dict[str, Any] = {}
    exec(code, found)
    return found["follow"]


class Announcing:
    """A client that says when a subscription is acknowledged."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.read_resource = client.read_resource
        self.listening = anyio.Event()

    @asynccontextmanager
    async def listen(self, **wanted: Any) -> AsyncIterator[Any]:
        """As the client's."""
        async with self._client.listen(**wanted) as changes:
            self.listening.set()
            yield changes


@pytest.mark.parametrize("transport", ["stdio", "http", "sse"])
async def test_a_message_is_told_and_read_as_the_page_says(
    whatsapp: WhatsApp, home: Path, transport: Transport
) -> None:
    follow, shown = from_the_page(), list[str]()
    ann = whatsapp.person("Ann")

    def show(text: str) -> None:
        shown.append(text)
        if "the station at six" in text:
            tasks.cancel_scope.cancel()

    with anyio.fail_after(LIMIT):
        async with mcp_client(whatsapp, home, transport) as client:
            await link(client, whatsapp)
            announcing = Announcing(client)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(follow, announcing, show)
                await announcing.listening.wait()
                await ann.says("the station at six")
    assert "the station at six" in shown[-1]


async def test_a_client_of_the_older_protocol_is_told_when_another_server_has_become_the_leader(
    whatsapp: WhatsApp, home: Path
) -> None:
    told = anyio.Event()

    def heard(message: Any) -> None:
        if isinstance(message, ResourceUpdatedNotification) and message.params.uri == UNREAD:
            told.set()

    ann = whatsapp.person("Ann")
    with anyio.fail_after(LIMIT):
        async with http_server(whatsapp, home) as leader:
            async with client_of(leader, "http") as client:
                await link(client, whatsapp)
            async with mcp_client(whatsapp, home, mode="legacy", heard=heard) as follower:
                await follower.subscribe_resource(UNREAD)
                await ann.says("one")
                await told.wait()
                told = anyio.Event()
                leader.process.kill()
                await leader.process.wait()
                await ann.says("two")
                await told.wait()
                assert "two" in str((await follower.read_resource(UNREAD)).contents)


async def test_a_change_of_the_policy_changes_what_is_offered(whatsapp: WhatsApp, home: Path) -> None:
    async with mcp_client(whatsapp, home) as client, client.listen(tools_list_changed=True) as changes:
        before = {tool.name for tool in (await client.list_tools()).tools}
        (home / "config.toml").write_text('[policy]\ntools_off = ["send_message"]\n', encoding="utf-8")
        with anyio.fail_after(LIMIT):
            await anext(aiter(changes))
        after = {tool.name for tool in (await client.list_tools()).tools}
    assert before - after == {"send_message"}
