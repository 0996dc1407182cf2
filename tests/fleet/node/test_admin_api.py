"""The admin API: what operators do with accounts, nodes and principals, over HTTP."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from jsonschema import Draft202012Validator
from starlette.applications import Starlette

from tests.fleet.keys.taken import TakenAccount, leaders_url
from tests.fleet.postgres import PostgresServer
from tests.server.fakes import FakeDevice, FakeDevices
from whatsapp_fleet.database import MIGRATIONS, begin_run, end_run
from whatsapp_fleet.node import Administration, DatabaseDirectory, admin_routes
from whatsapp_fleet.node.admin import administration
from whatsapp_fleet.node.admin.operations import OPERATIONS
from whatsapp_fleet.tenancy import FORGETTING, create_principal, remains
from whatsapp_mcp.device.operations import Device, Devices
from whatsapp_mcp.errors import Busy, NotConnected
from whatsapp_mcp.models import ConnectionStatus, LeaderFigures
from whatsapp_mcp.server.transports.guard import Guard
from whatsapp_mcp.server.transports.page_login import PageLogins

pytestmark = pytest.mark.anyio
ACCOUNT, OTHER = "acme-7", "rival-1"
ROOT = "/admin/v1"


@dataclass
class PausingDevice(FakeDevice):
    """A device that can be paused."""

    async def pause(self, until: datetime | None = None) -> ConnectionStatus:
        """Note it."""
        self.asked.append(f"pause {until}")
        return await self.status()

    async def resume(self) -> ConnectionStatus:
        """Note it."""
        self.asked.append("resume")
        return await self.status()


class Nobody:
    """A leader that is not there."""

    def use(self, deadline: float | None = None) -> AbstractAsyncContextManager[Device]:
        """Fail as the replica does."""
        raise Busy("No node leads the account at the moment.")


@dataclass
class Fleet:
    """A database with accounts, the API for an operator, and the leaders that a test has.

    Attributes:
        taken: The database, as a node has it.
        http: The API, behind the guard of a replica.
        tokens: Of principals: `operator`, `tenant` with every scope for one account, `reader` for all.
        devices: The device of each account that is led.
    """

    taken: TakenAccount
    http: httpx2.AsyncClient
    tokens: dict[str, str]
    devices: dict[str, FakeDevice] = field(default_factory=dict[str, FakeDevice])

    def device(self, account: str) -> Devices:
        found = self.devices.get(account)
        return Nobody() if found is None else FakeDevices(found)

    def lead(self, account: str) -> str:
        """Let a node lead the account; its run."""
        run = f"run of {account}"
        begin_run(self.taken.session, run, "node-a", MIGRATIONS[-1].version)
        self.taken.session.execute(
            "UPDATE whatsapp_mcp.leases SET run = %s WHERE account = %s", [run, account]
        )
        self.devices[account] = PausingDevice()
        return run

    async def ask(self, method: str, path: str, by: str = "operator", **said: Any) -> httpx2.Response:
        """A request of a principal."""
        headers = {"Authorization": f"Bearer {self.tokens[by]}"}
        return await self.http.request(method, f"{ROOT}{path}", headers=headers, **said)


@pytest.fixture
async def fleet(postgres: PostgresServer, database: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    with TakenAccount(leaders_url(postgres, database), OTHER) as taken:
        tokens = {
            "operator": create_principal(taken.session, "operator", ["admin"], None) or "",
            "tenant": create_principal(taken.session, "tenant", ["admin", "read", "send"], [OTHER]) or "",
            "reader": create_principal(taken.session, "reader", ["read", "send"], None) or "",
        }
        directory = DatabaseDirectory(taken.database)
        directory.refresh(taken.session)
        made: Fleet | None = None

        async def verify(token: str) -> Any:
            return directory.principal(token)

        def device(account: str) -> Devices:
            assert made is not None
            return made.device(account)

        app = Starlette(routes=admin_routes(Administration(taken.database, tmp_path, device)))
        guard = Guard(app, "127.0.0.1", verify, PageLogins("page"))
        transport = httpx2.ASGITransport(app=guard)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8808") as http:
            made = Fleet(taken, http, tokens)
            yield made


async def test_an_account_is_created_with_settings_and_listed(fleet: Fleet) -> None:
    asked = {"name": ACCOUNT, "settings": '[policy]\nmode = "read_only"\n'}
    created = await fleet.ask("POST", "/accounts", json=asked)
    assert created.status_code == 200
    assert created.json() == {
        "name": ACCOUNT, "state": "active", "reason": "", "leader": None, "epoch": 0, "failures": 0,
        "not_before": None, "journaled": 0, "logged": 0, "settings": asked["settings"],
    }  # fmt: skip
    listed = (await fleet.ask("GET", "/accounts")).json()["accounts"]
    assert [each["name"] for each in listed] == [ACCOUNT, OTHER]


REFUSED = (
    ("POST", "/accounts", {"name": "No Name"}, "cannot be the name of a new account"),
    ("POST", "/accounts", {"name": OTHER}, "already"),
    ("POST", "/accounts", {"name": "x", "settings": "[policy]\nmoed = 1\n"}, "policy.moed"),
    ("POST", "/accounts", {"name": "x", "setings": ""}, "setings"),
    ("PUT", f"/accounts/{OTHER}/settings", {"settings": '[agent]\ncommand = ["/bin/sh"]'}, "agent"),
    ("PUT", "/accounts/nobody/settings", {"settings": ""}, "no account nobody"),
    ("POST", f"/accounts/{OTHER}/quarantine", {}, "reason"),
    ("POST", "/accounts/nobody/drain", {}, "no account nobody"),
    ("POST", "/nodes/nowhere/drain", {}, "No node nowhere"),
    ("POST", "/principals", {"name": "x", "accounts": ["nobody"]}, "no account nobody"),
    ("POST", "/principals", {"name": "x"}, "accounts"),
    ("POST", "/principals", {"name": "x", "accounts": None, "scopes": ["root"]}, "scopes"),
    ("DELETE", "/principals/nobody", None, "no principal nobody"),
    ("DELETE", "/accounts/nobody?keep_linked=true", None, "no account nobody"),
)


async def test_what_cannot_be_done_is_refused_with_the_reason(fleet: Fleet) -> None:
    for method, path, asked, said in REFUSED:
        body: dict[str, Any] = {} if asked is None else {"json": asked}
        answer = await fleet.ask(method, path, **body)
        error = answer.json()["error"]
        assert answer.status_code == 400, path
        assert said in error["message"], path
        assert error["action"], path


async def test_whoever_is_no_operator_gets_one_and_the_same_refusal_for_everything(fleet: Fleet) -> None:
    refusals = set[tuple[int, str]]()
    for by in ("tenant", "reader"):
        for each in OPERATIONS:
            for name in (OTHER, "nobody"):
                path = each.path.replace("{name}", name).replace("{node}", name)
                answer = await fleet.ask(each.method, path, by)
                refusals.add((answer.status_code, answer.text))
        answer = await fleet.ask("GET", "/openapi.json", by)
        refusals.add((answer.status_code, answer.text))
    [(status, text)] = refusals
    assert status == 403
    assert OTHER not in text
    assert (await fleet.http.get(f"{ROOT}/accounts")).status_code == 401


async def test_a_watched_account_shows_its_leader_its_connection_and_its_lag(fleet: Fleet) -> None:
    fleet.lead(OTHER)
    known = fleet.devices[OTHER].known
    fleet.devices[OTHER].known = LeaderFigures(known.leading_since, journaled=12, archived=9)
    watched = (await fleet.ask("GET", f"/accounts/{OTHER}")).json()
    assert (watched["leader"], watched["connection"]["state"]) == ("node-a", "online")
    assert watched["lag"] == {"journaled": 12, "archived": 9, "waiting": 3, "stalled_seconds": 0.0}

    del fleet.devices[OTHER]
    watched = (await fleet.ask("GET", f"/accounts/{OTHER}")).json()
    assert (watched["leader"], watched["connection"], watched["lag"]) == ("node-a", None, None)


async def test_a_phone_is_linked_by_a_qr_as_text_and_picture_or_by_a_pairing_code(fleet: Fleet) -> None:
    fleet.lead(OTHER)
    by_qr = (await fleet.ask("POST", f"/accounts/{OTHER}/link", json={})).json()
    assert by_qr["link"]["qr"]["text"] == "2@text"
    assert base64.b64decode(by_qr["png"]).startswith(b"\x89PNG")
    by_code = (await fleet.ask("POST", f"/accounts/{OTHER}/link", json={"phone": "+15550001111"})).json()
    assert by_code["link"]["code"] == "ABCD-1234"
    followed = await fleet.ask("GET", f"/accounts/{OTHER}/link", params={"after": 0, "wait": 0.1})
    assert followed.json()["revision"] == 1
    assert fleet.devices[OTHER].asked == ["link None", "link +15550001111"]


async def test_what_needs_a_leader_is_busy_while_there_is_none(fleet: Fleet) -> None:
    for path in ("link", "pause", "resume"):
        answer = await fleet.ask("POST", f"/accounts/{OTHER}/{path}", json={})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "BUSY")


async def test_an_account_is_paused_and_resumed_by_its_leader(fleet: Fleet) -> None:
    fleet.lead(OTHER)
    until = "2126-11-28T22:00:00+01:00"
    assert (await fleet.ask("POST", f"/accounts/{OTHER}/pause", json={"until": until})).status_code == 200
    assert (await fleet.ask("POST", f"/accounts/{OTHER}/pause", json={"until": "soon"})).status_code == 400
    assert (await fleet.ask("POST", f"/accounts/{OTHER}/resume")).status_code == 200
    assert [act.split()[0] for act in fleet.devices[OTHER].asked] == ["pause", "resume"]


async def test_an_account_is_quarantined_drained_and_released(fleet: Fleet) -> None:
    quarantined = await fleet.ask("POST", f"/accounts/{OTHER}/quarantine", json={"reason": "spam reports"})
    assert (quarantined.json()["state"], quarantined.json()["reason"]) == ("quarantined", "spam reports")
    assert (await fleet.ask("POST", f"/accounts/{OTHER}/drain")).json()["state"] == "drained"
    released = (await fleet.ask("POST", f"/accounts/{OTHER}/release")).json()
    assert (released["state"], released["reason"]) == ("active", "")


async def test_a_node_is_listed_and_drained(fleet: Fleet) -> None:
    fleet.lead(OTHER)
    [node] = (await fleet.ask("GET", "/nodes")).json()["nodes"]
    assert (node["node"], node["accounts"], node["draining"]) == ("node-a", 1, False)
    [node] = (await fleet.ask("POST", "/nodes/node-a/drain")).json()["nodes"]
    assert node["draining"]


async def test_a_removed_account_is_unlinked_let_go_of_and_forgotten(fleet: Fleet) -> None:
    run = fleet.lead(OTHER)
    device = fleet.devices[OTHER]
    unlink = device.unlink

    async def unlink_and_let_go() -> None:
        await unlink()
        end_run(fleet.taken.session, run)

    device.unlink = unlink_and_let_go  # pyright: ignore[reportAttributeAccessIssue]
    removed = await fleet.ask("DELETE", f"/accounts/{OTHER}")
    assert removed.json() == {"removed": OTHER, "remains": []}
    assert device.asked == ["unlink"]
    assert remains(fleet.taken.session, OTHER) == []
    # One whose answer was lost is asked for once more.
    assert (await fleet.ask("DELETE", f"/accounts/{OTHER}")).json() == removed.json()
    assert (await fleet.ask("GET", "/accounts")).json() == {"accounts": []}


async def test_an_account_is_not_forgotten_while_whatsapp_cannot_be_told_or_its_leader_holds_it(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(administration, "RELEASE_LIMIT", 0.0)
    unled = await fleet.ask("DELETE", f"/accounts/{OTHER}")
    assert "WhatsApp cannot be told" in unled.json()["error"]["message"]
    fleet.lead(OTHER)
    fleet.devices[OTHER].fails = NotConnected("The connection is paused.")
    assert (await fleet.ask("DELETE", f"/accounts/{OTHER}")).status_code == 503
    held = await fleet.ask("DELETE", f"/accounts/{OTHER}", params={"keep_linked": "true"})
    assert "has not let go" in held.json()["error"]["message"]
    [row] = (await fleet.ask("GET", "/accounts")).json()["accounts"]
    assert (row["name"], row["state"], row["leader"]) == (OTHER, "drained", "node-a")


async def test_forgetting_that_was_interrupted_is_completed_by_the_same_request(fleet: Fleet) -> None:
    session = fleet.taken.session
    session.execute("UPDATE whatsapp_mcp.accounts SET state = 'drained', reason = %s", [FORGETTING])
    assert (await fleet.ask("DELETE", f"/accounts/{OTHER}")).json() == {"removed": OTHER, "remains": []}


async def test_what_is_left_of_an_account_that_has_moved_is_forgotten_without_unlinking_it(
    fleet: Fleet,
) -> None:
    fleet.taken.session.execute("UPDATE whatsapp_mcp.accounts SET state = 'moved'")
    refused = await fleet.ask("DELETE", f"/accounts/{OTHER}")
    assert "is linked where it is" in refused.json()["error"]["message"]
    removed = await fleet.ask("DELETE", f"/accounts/{OTHER}", params={"keep_linked": "true"})
    assert removed.json() == {"removed": OTHER, "remains": []}


async def test_a_principal_is_created_with_a_token_that_is_shown_once_changed_and_revoked(
    fleet: Fleet,
) -> None:
    asked = {"name": "bot", "accounts": [OTHER], "scopes": ["read", "send"], "calls_per_minute": 60}
    created = (await fleet.ask("POST", "/principals", json=asked)).json()
    assert created["token"].startswith("wamcp_")
    listed = await fleet.ask("GET", "/principals")
    assert created["token"] not in listed.text
    assert {"bot", "operator", "reader", "tenant"} == {each["name"] for each in listed.json()["principals"]}

    changed = await fleet.ask("PUT", "/principals/bot", json={"accounts": [], "calls_per_minute": 5})
    assert (changed.json()["accounts"], changed.json()["calls_per_minute"]) == ([], 5)
    revoked = await fleet.ask("DELETE", "/principals/bot")
    assert revoked.json()["revoked_at"] is not None


async def test_a_user_of_the_issuer_is_made_a_principal_without_a_token(fleet: Fleet) -> None:
    created = await fleet.ask("POST", "/principals", json={"name": "oauth:3f1c", "accounts": [OTHER]})
    assert (created.json()["token"], created.json()["scopes"]) == (None, ["read"])


async def test_the_document_describes_every_operation_and_its_answers_are_of_its_shapes(
    fleet: Fleet,
) -> None:
    said = (await fleet.ask("GET", "/openapi.json")).json()
    described = {
        operation["operationId"]: operation for path in said["paths"].values() for operation in path.values()
    }
    assert set(described) == {each.name for each in OPERATIONS}
    fleet.lead(OTHER)
    for path, name in (
        ("/accounts", "list_accounts"),
        (f"/accounts/{OTHER}", "watch_account"),
        (f"/accounts/{OTHER}/link", "linking_of_account"),
        ("/nodes", "list_nodes"),
        ("/principals", "list_principals"),
    ):
        schema = described[name]["responses"]["200"]["content"]["application/json"]["schema"]
        Draft202012Validator({**schema, "components": said["components"]}).validate(
            (await fleet.ask("GET", path)).json()
        )
