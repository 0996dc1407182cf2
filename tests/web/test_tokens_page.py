"""Tokens are made, shown once and revoked on a page."""

from __future__ import annotations

import re

import httpx2
import pytest

from tests.tables import for_each
from tests.web.site import Source, fields
from whatsapp_mcp.server.transports.tokens import Tokens

pytestmark = pytest.mark.anyio


@pytest.fixture
def tokens(source: Source) -> Tokens:
    return Tokens(source.home)


async def test_a_token_is_shown_once_and_has_the_chosen_scopes(http: httpx2.AsyncClient, tokens: Tokens):
    form = fields((await http.get("/tokens")).text, "/tokens")
    answer = await http.post("/tokens", data={**form, "name": "n8n", "read": "yes", "send": "yes"})

    [token] = re.findall(r"wamcp_[\w-]+", answer.text)
    principal = tokens.principal(token)
    assert principal is not None
    assert principal.name.startswith("token:n8n/")
    assert principal.scopes == {"read", "send"}
    assert answer.headers["cache-control"] == "no-store"
    again = (await http.get("/tokens")).text
    assert ("n8n" in again, token in again) == (True, False)


async def test_a_token_without_a_choice_only_reads(http: httpx2.AsyncClient, tokens: Tokens):
    await http.post("/tokens", data={**fields((await http.get("/tokens")).text, "/tokens"), "name": "plain"})

    assert [token.scopes for token in tokens.all()] == [{"read"}]


async def test_a_token_is_revoked_after_a_question(http: httpx2.AsyncClient, tokens: Tokens):
    tokens.create("old", ["read"])
    page = (await http.get("/tokens/old/revoke")).text
    assert [token.name for token in tokens.all()] == ["old"]

    await http.post("/tokens/old/revoke", data=fields(page, "/tokens/old/revoke"))

    assert tokens.all() == []


async def test_forms_of_elsewhere_make_and_revoke_nothing(http: httpx2.AsyncClient, tokens: Tokens):
    tokens.create("mine", ["read"])
    for path, data in (("/tokens", {"name": "theirs"}), ("/tokens/mine/revoke", {})):
        assert "not valid" in (await http.post(path, data={**data, "token": "0"})).text

    assert [token.name for token in tokens.all()] == ["mine"]


@for_each("name", ["", "../x", "a b", "<b>", "default"])
async def test_a_name_that_cannot_be_is_refused(http: httpx2.AsyncClient, tokens: Tokens, name: str):
    form = fields((await http.get("/tokens")).text, "/tokens")

    answer = await http.post("/tokens", data={**form, "name": name})

    assert (answer.status_code, tokens.all()) == (400, [])
    assert "<b>" not in answer.text
