"""A token that is limited to some accounts: nothing tells its holder that there are others."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import PromptReference, ResourceTemplateReference

from tests.server.conftest import incoming
from tests.server.fakes import CODE, NOON, FakeSource
from tests.server.over_http import LIMIT, OF, api, listening
from tests.server.test_core_tools import refusal
from tests.server.two_accounts import CARLA, PRIVATE, WORK, TwoAccounts, two_accounts
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.server.application import Application, create
from whatsapp_mcp.server.calls import Accounts
from whatsapp_mcp.server.calls.call import LEADER_LIMIT
from whatsapp_mcp.settings import PolicySettings

pytestmark = pytest.mark.anyio
HIDDEN = "hidden"
MESSAGES = ResourceTemplateReference(uri="whatsapp://work/chats/{jid}/messages")
ASKED: tuple[Callable[[Client], Awaitable[Any]], ...] = (
    Client.list_tools,
    Client.list_resources,
    Client.list_resource_templates,
    Client.list_prompts,
    lambda client: client.call_tool("list_chats", {}),
    lambda client: client.call_tool("list_chats", {"account": PRIVATE}),
    lambda client: client.call_tool("get_message_context", {"message": "#3"}),
    lambda client: client.call_tool("nothing", {}),
    lambda client: client.read_resource("whatsapp://chats"),
)


@pytest.fixture
async def two(source: FakeSource, archive: Archive, tmp_path: Path) -> AsyncIterator[TwoAccounts]:
    home = tmp_path / "work-home"
    home.mkdir()
    async with two_accounts(home, source, archive) as both:
        yield both


@pytest.fixture
def three(two: TwoAccounts) -> Application:
    """A server of both accounts, and of a third which nobody here may know of."""
    # What its policy leaves to the host would show in the hints of every tool.
    hidden = replace(two.work, account=HIDDEN, policy=Policy(PolicySettings(mode="open", approval="host")))
    accounts = Accounts.of(two.private, two.work, hidden)
    return create(accounts, "all", structured=True, new_code=lambda: CODE)


@asynccontextmanager
async def client_with(two: TwoAccounts, application: Application, *accounts: str) -> AsyncIterator[Client]:
    """An MCP client of the server of all three, by a token for these accounts."""
    others = [two.work, replace(two.work, account=HIDDEN)]
    token = f"{OF}{','.join(accounts)}"
    async with (
        listening(two.private, application=application, token=token, others=others) as http,
        application.session_manager.run(),
        Client(streamable_http_client(f"{http.base_url}/mcp", http_client=http)) as client,
    ):
        yield client


def plain(answer: Any) -> Any:
    """An answer of the server, as it went over the wire."""
    return answer.model_dump(mode="json", by_alias=True, exclude={"meta"})


async def test_with_one_account_everything_is_as_of_a_server_that_has_no_other(
    two: TwoAccounts, three: Application
) -> None:
    async with (
        client_with(two, three, WORK) as limited,
        Client(create(two.work, "all", structured=True, new_code=lambda: CODE)) as alone,
    ):
        for ask in ASKED:
            assert plain(await ask(limited)) == plain(await ask(alone))
        assert limited.instructions == alone.instructions
        for uri in (f"whatsapp://{PRIVATE}/chats", f"whatsapp://{WORK}/chats"):
            with pytest.raises(MCPError):
                await limited.read_resource(uri)


async def test_the_name_of_an_account_that_is_not_seen_is_as_unknown_as_any(
    two: TwoAccounts, three: Application
) -> None:
    async with client_with(two, three, PRIVATE, WORK) as client:
        for tool, arguments in (("send_message", {"chat": CARLA, "text": "x"}), ("list_chats", {})):
            errors = [
                json.dumps(await refusal(client, tool, account=name, **arguments)).replace(name, "NAME")
                for name in (HIDDEN, "nobody")
            ]
            assert errors[0] == errors[1]
        cursors = [await refusal(client, "list_chats", cursor=f"{each}:1.2") for each in (HIDDEN, "nobody")]
        assert cursors[0] == cursors[1]

    assert two.work.device.sends == []


async def test_nothing_that_is_listed_or_answered_names_an_account_that_is_not_seen(
    two: TwoAccounts, three: Application
) -> None:
    async with client_with(two, three, PRIVATE, WORK) as client:
        assert HIDDEN not in (client.instructions or "")
        answers = [
            await client.list_tools(),
            await client.list_resources(),
            await client.list_resource_templates(),
            await client.call_tool("list_chats", {}),
            await client.call_tool("connection_status", {}),
            await client.call_tool("send_message", {}),
            await client.complete(
                ResourceTemplateReference(uri="whatsapp://work/chats/{jid}/messages"),
                {"name": "jid", "value": ""},
            ),
            await client.complete(PromptReference(name="catch_up"), {"name": "chat", "value": "a"}),
        ]

    assert all(HIDDEN not in json.dumps(plain(each)) for each in answers)


async def test_a_subscription_tells_of_its_account_alone(two: TwoAccounts, three: Application) -> None:
    async with client_with(two, three, PRIVATE, WORK) as client:
        wanted = [f"whatsapp://{PRIVATE}/chats", f"whatsapp://{HIDDEN}/chats"]
        async with client.listen(resource_subscriptions=wanted) as changes:
            await two.archives[WORK].ingest([incoming(60, CARLA, CARLA, "for the office", NOON)])
            await two.archives[PRIVATE].ingest([incoming(61, CARLA, CARLA, "for home", NOON)])
            with anyio.fail_after(LIMIT):
                told: Any = await anext(aiter(changes))

    assert str(told.uri) == wanted[0]


async def test_a_token_for_an_account_that_is_not_served_is_refused(
    two: TwoAccounts, three: Application
) -> None:
    async with api(two.private, application=three, token=f"{OF}elsewhere") as http:
        refused = await http.post("/mcp", json={})
    assert refused.status_code == 403
    assert "elsewhere" not in refused.text


async def test_an_act_does_not_wait_for_an_account_that_is_not_seen(two: TwoAccounts) -> None:
    hidden = replace(two.work, account=HIDDEN, starting=True)
    application = create(Accounts.of(two.private, two.work, hidden), "all", structured=True)
    async with client_with(two, application, PRIVATE, WORK) as client:
        with anyio.move_on_after(LEADER_LIMIT) as waited:
            await client.call_tool("send_message", {"account": WORK, "chat": CARLA, "text": "x"})

    assert not waited.cancelled_caught
    assert [send.chat for send in two.work.device.sends] == [CARLA]
    assert (await two.work.services()).ledger.tainted() == {}


async def test_what_a_principal_sees_is_looked_up_by_its_own_names_alone(two: TwoAccounts) -> None:
    class Many(dict[str, Any]):
        """Accounts that nobody goes through: with a thousand of them an answer would take longer."""

        def __iter__(self) -> Any:
            raise AssertionError("All accounts were gone through.")

        items = values = keys = __iter__

    sources = Many({each.account: each for each in (two.private, two.work)})
    seen = Accounts(sources).seen_by(frozenset({WORK, "nobody", PRIVATE}))
    assert list(seen) == [PRIVATE, WORK]
