"""An account from its making to its end, by an operator at the admin API of a replica."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from tests.fixtures import HttpServer, client_of
from tests.fleet.keys.taken import leaders_url
from tests.fleet.node.fleet_of_tests import Fleet, node
from tests.fleet.node.test_replicas import replica
from tests.fleet.postgres import PostgresServer
from tests.server.fakes import text_of
from whatsapp_fleet.tenancy import create_principal, remains
from whatsapp_simulator import WhatsApp

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ACCOUNT, OTHER = "acme-7", "rival-1"
LIMIT = 60.0


@pytest.fixture
async def wa() -> AsyncIterator[WhatsApp]:
    async with WhatsApp(seed=31) as whatsapp:
        yield whatsapp


@pytest.fixture
def fleet(postgres: PostgresServer, database: str) -> Iterator[Fleet]:
    with Fleet(leaders_url(postgres, database), OTHER) as opened:
        yield opened


class Operator:
    """Who has a token of an operator."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    async def ask(self, method: str, path: str, **said: Any) -> httpx2.Response:
        return await self._http.request(method, f"/admin/v1{path}", **said)

    async def done(self, method: str, path: str, **said: Any) -> Any:
        """What an act answers; while a leader is not there yet it is tried again."""
        with anyio.fail_after(LIMIT):
            while (answer := await self.ask(method, path, **said)).status_code == 503:  # noqa: ASYNC110
                await anyio.sleep(0.1)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def until_removed(self, account: str) -> Any:
        """What the removal of an account answers, once its settings permit it."""
        with anyio.fail_after(LIMIT):
            while (answer := await self.ask("DELETE", f"/accounts/{account}")).status_code != 200:  # noqa: ASYNC110
                await anyio.sleep(0.1)
        return answer.json()

    async def until(self, path: str, condition: Callable[[Any], bool]) -> Any:
        with anyio.fail_after(LIMIT):
            while not condition(found := (await self.ask("GET", path)).json()):  # noqa: ASYNC110
                await anyio.sleep(0.1)
        return found


@asynccontextmanager
async def operator_of(server: HttpServer) -> AsyncIterator[Operator]:
    async with httpx2.AsyncClient(
        base_url=server.base, headers=server.headers, trust_env=False, timeout=LIMIT
    ) as http:
        yield Operator(http)


def is_online(account: Any) -> bool:
    """Whether the leader of a watched account says that it is online."""
    return account["connection"] is not None and account["connection"]["state"] == "online"


async def admitted(server: HttpServer, token: str) -> None:
    """Return once the replica knows a new principal."""
    url, headers = f"{server.base}/api/v1/openapi.json", {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers, trust_env=False) as http:
        with anyio.fail_after(LIMIT):
            while (await http.get(url)).status_code == 401:  # noqa: ASYNC110
                await anyio.sleep(0.05)


async def test_an_account_is_made_linked_watched_restrained_and_forgotten(
    wa: WhatsApp, fleet: Fleet, tmp_path: Path
) -> None:
    token = create_principal(fleet.session, "operator", ["admin"], None) or ""
    ann = wa.person("Ann")
    async with (
        node("one", tmp_path, fleet.url, wa.environment()) as leader,
        replica("a", tmp_path, fleet.url, token, admin=True) as server,
        operator_of(server) as operator,
    ):
        own = {"name": ACCOUNT, "settings": '[policy]\nmode = "open"\n'}
        await operator.done("POST", "/accounts", json=own)
        shown = await operator.done("POST", f"/accounts/{ACCOUNT}/link", json={})
        assert base64.b64decode(shown["png"]).startswith(b"\x89PNG")
        await wa.me.scan(shown["link"]["qr"]["text"])
        watched = await operator.until(f"/accounts/{ACCOUNT}", is_online)
        assert (watched["leader"], watched["lag"]["waiting"]) == ("one", 0)

        asked = {"name": "bot", "accounts": [ACCOUNT], "scopes": ["read", "send"]}
        tenant = (await operator.done("POST", "/principals", json=asked))["token"]
        await admitted(server, tenant)
        async with client_of(HttpServer(server.base, tenant, server.process), "http") as bot:
            sent = await bot.call_tool("send_message", {"chat": ann.number, "text": "hello"})
            assert not sent.is_error, text_of(sent.content)

            limits = {"settings": '[policy]\nmode = "read_only"\n'}
            await operator.done("PUT", f"/accounts/{ACCOUNT}/settings", json=limits)
            with anyio.fail_after(LIMIT):
                while not (await bot.call_tool("send_message", {"chat": ann.number, "text": "x"})).is_error:  # noqa: ASYNC110
                    await anyio.sleep(0.1)

            paused = await operator.done("POST", f"/accounts/{ACCOUNT}/pause", json={})
            assert paused["state"] == "paused"
            await operator.done("POST", f"/accounts/{ACCOUNT}/resume")
            await operator.until(f"/accounts/{ACCOUNT}", is_online)
            await operator.done("DELETE", "/principals/bot")

        # The policy is asked about this act, too.
        refused = await operator.ask("DELETE", f"/accounts/{ACCOUNT}")
        assert refused.json()["error"]["code"] == "DENIED"
        await operator.done("PUT", f"/accounts/{ACCOUNT}/settings", json={"settings": own["settings"]})
        removed = await operator.until_removed(ACCOUNT)
        assert removed == {"removed": ACCOUNT, "remains": []}
        assert not wa.me.companions
        assert remains(fleet.session, ACCOUNT) == []
        [left] = (await operator.done("GET", "/accounts"))["accounts"]
        assert left["name"] == OTHER
    # A node that starts again finds the copy that it still has.
    copy = leader.home / "accounts" / ACCOUNT
    assert copy.is_dir()
    async with node("one", tmp_path, fleet.url, wa.environment()):
        with anyio.fail_after(LIMIT):
            while copy.exists():  # noqa: ASYNC110
                await anyio.sleep(0.1)


async def test_a_principal_with_a_limit_is_told_to_wait(wa: WhatsApp, fleet: Fleet, tmp_path: Path) -> None:
    token = create_principal(fleet.session, "bot", ["read"], [OTHER], 3) or ""
    async with (
        replica("a", tmp_path, fleet.url, token) as server,
        httpx2.AsyncClient(
            base_url=server.base, headers=server.headers, trust_env=False, timeout=LIMIT
        ) as http,
    ):
        answers = [await http.get("/api/v1/openapi.json") for _ in range(20)]
    refused = [answer for answer in answers if answer.status_code == 429]
    # The minute may end in between, and begin with as many again.
    assert len(answers) - 6 <= len(refused) <= len(answers) - 3
    assert all(0 <= int(answer.headers["Retry-After"]) <= 60 for answer in refused)
