"""Each of several accounts is named as in the tools; a token is told of those that it sees alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from tests.server.over_http import OF, TOKEN, api
from tests.server.test_limited_principals import HIDDEN
from tests.server.two_accounts import CARLA, PRIVATE, WORK, TwoAccounts
from whatsapp_mcp.server.application import Application

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def api_of(two: TwoAccounts, application: Application, token: str) -> AsyncIterator[Any]:
    """An HTTP client of the same server."""
    others = [two.work, replace(two.work, account=HIDDEN)]
    async with api(two.private, application=application, token=token, others=others) as http:
        yield http


async def test_the_document_names_no_account_that_is_not_seen(two: TwoAccounts, three: Application) -> None:
    async with api_of(two, three, f"{OF}{PRIVATE},{WORK}") as http:
        document = await http.get("/api/v1/openapi.json")

    assert HIDDEN not in document.text
    assert WORK in document.text


async def test_the_api_takes_the_account_as_the_tools_do(two: TwoAccounts, three: Application) -> None:
    async with api_of(two, three, f"{OF}{PRIVATE},{WORK}") as http:
        both = (await http.post("/api/v1/list_chats", json={})).json()
        one = (await http.post("/api/v1/list_chats", json={"account": WORK})).json()
        sent = await http.post("/api/v1/send_message", json={"account": WORK, "chat": CARLA, "text": "x"})
        refused = await http.post("/api/v1/send_message", json={"chat": CARLA, "text": "x"})
        document = (await http.get("/api/v1/openapi.json")).json()
        events = await http.get("/api/v1/events")
    async with api_of(two, three, f"{OF}{WORK}") as http:
        alone = (await http.post("/api/v1/list_chats", json={})).json()

    assert [*both["accounts"]] == [PRIVATE, WORK]
    assert one["accounts"] == {WORK: alone}
    assert (sent.status_code, refused.status_code, events.status_code) == (200, 400, 400)
    assert refused.json()["error"]["action"] == "Accounts: private, work."
    body = document["components"]["schemas"]["send_message_arguments"]
    assert ("account" in body["required"], body["properties"]["account"]["enum"]) == (True, [PRIVATE, WORK])
    shape = document["paths"]["/api/v1/list_chats"]["post"]["responses"]["200"]["content"]
    assert shape["application/json"]["schema"]["required"] == ["accounts"]
    parameters = document["paths"]["/api/v1/events"]["get"]["parameters"]
    assert {"account"} == {each["name"] for each in parameters if each.get("required")}


async def test_a_token_that_names_no_accounts_sees_every_one(two: TwoAccounts, three: Application) -> None:
    async with api_of(two, three, TOKEN) as http:
        every = (await http.post("/api/v1/list_chats", json={})).json()

    assert [*every["accounts"]] == [HIDDEN, PRIVATE, WORK]
