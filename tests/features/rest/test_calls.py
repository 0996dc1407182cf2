"""A tool is called by a POST of its arguments, and answers with its data or an error under a status."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx2
import pytest

from tests.server.fakes import NOON, FakeDevice, FakeSource
from tests.server.over_http import api, guarded
from tests.tables import for_each
from whatsapp_mcp.errors import (
    ApprovalRequired,
    Candidate,
    NotOnWhatsApp,
    RateLimited,
    WhatsAppError,
    _subclasses,  # pyright: ignore[reportPrivateUsage]
)
from whatsapp_mcp.features.rest.problems import STATUSES
from whatsapp_mcp.models import Approval, ApprovalState, Caller
from whatsapp_mcp.policy import Act, CallerState, Policy
from whatsapp_mcp.server.calls import beginning
from whatsapp_mcp.server.transports.limits import ADMITTED
from whatsapp_mcp.settings import PolicySettings

pytestmark = pytest.mark.anyio


async def called(source: FakeSource, tool: str, body: Any = None, **headers: str) -> httpx2.Response:
    async with api(source) as http:
        return await http.post(f"/api/v1/{tool}", json=body, headers=headers)


def noted(monkeypatch: pytest.MonkeyPatch) -> list[Caller]:
    """For whom the policy is asked."""
    callers: list[Caller] = []

    def require(_policy: Policy, _act: Act, situation: CallerState) -> None:
        callers.append(situation.caller)

    monkeypatch.setattr(beginning, "require", require)
    return callers


def code_of(answer: httpx2.Response) -> str:
    return answer.json()["error"]["code"]


async def test_a_tool_answers_with_its_data(source: FakeSource, device: FakeDevice) -> None:
    answer = await called(source, "send_message", {"chat": "Bob", "text": "hi"})

    assert (answer.status_code, answer.json()["status"], answer.json()["ref"]) == (200, "sent", "#1042")
    assert [sent.chat for sent in device.sends] == ["15550004444@s.whatsapp.net"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


async def test_a_tool_without_needed_arguments_is_called_without_a_body(source: FakeSource) -> None:
    async with api(source) as http:
        answer = await http.post("/api/v1/list_chats")

    assert [chat["name"] for chat in answer.json()["chats"]] == ["Bob", "Boat club", "Ann Lee"]


@for_each(
    "body, told",
    [
        (b"{", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'{"limit": NaN}', "not a JSON object"),
        (b'{"query": "\\ud800"}', "not a JSON object"),
        (b"[" * 100_000, "not a JSON object"),
        (b'{"colour": "red"}', "'colour' is not an argument"),
        (b'{"limit": "many"}', "'limit'"),
        (b'{"limit": 1e999}', "'limit'"),
    ],
)
async def test_a_body_that_is_not_the_arguments_is_refused(
    source: FakeSource, body: bytes, told: str
) -> None:
    async with api(source) as http:
        answer = await http.post(
            "/api/v1/list_chats", content=body, headers={"Content-Type": "application/json"}
        )

    assert (answer.status_code, code_of(answer)) == (400, "INVALID_ARGUMENT")
    assert told in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
async def test_a_body_of_another_type_is_refused_before_anything_is_done(
    source: FakeSource, device: FakeDevice, kind: str
) -> None:
    async with api(source) as http:
        headers = {"Content-Type": kind} if kind else {}
        body = b'{"chat": "Bob", "text": "hi"}'
        answer = await http.post("/api/v1/send_message", content=body, headers=headers)

    assert (answer.status_code, code_of(answer), device.sends) == (415, "INVALID_ARGUMENT", [])


async def test_what_is_not_there_is_said_in_our_form(source: FakeSource) -> None:
    async with api(source) as http:
        answers = [
            await http.post("/api/v1/no_such_tool", json={}),
            await http.get("/api/v1/nothing/here"),
            await http.get("/api/v2/list_chats"),
            await http.get("/api/v1/list_chats"),
            await http.delete("/api/v1/events"),
        ]

    assert [(answer.status_code, code_of(answer)) for answer in answers] == [
        (404, "INVALID_ARGUMENT"),
        (404, "INVALID_ARGUMENT"),
        (404, "INVALID_ARGUMENT"),
        (405, "INVALID_ARGUMENT"),
        (405, "INVALID_ARGUMENT"),
    ]
    assert answers[3].headers["allow"] == "POST"
    assert all(answer.json()["error"]["action"] for answer in answers)


async def test_the_guard_refuses_as_it_does_for_mcp_and_in_our_form(source: FakeSource) -> None:
    async with api(source, token=None) as http:
        path = "/api/v1/list_chats"
        bearer = {"Authorization": "Bearer read"}
        answers = [
            await http.post(path),
            await http.post(path, headers={"Authorization": "Bearer wrong"}),
            await http.post(path, headers={**bearer, "Origin": "http://evil.example"}),
            await http.post(path, headers={**bearer, "Host": "evil.example"}),
            await http.post(path, headers=bearer, content=b"x" * (4 * 1024 * 1024 + 1)),
        ]

    assert [(answer.status_code, code_of(answer)) for answer in answers] == [
        (401, "UNAUTHORIZED"),
        (401, "UNAUTHORIZED"),
        (403, "DENIED"),
        (421, "INVALID_ARGUMENT"),
        (413, "TOO_LONG"),
    ]
    assert "invalid_token" in answers[1].headers["www-authenticate"]
    assert not [name for answer in answers for name in answer.headers if name.startswith("access-control")]


async def test_one_request_too_many_is_told_when_to_come_again(source: FakeSource) -> None:
    guard = guarded(source)
    guard.admitted.clock = lambda: 0.0
    transport = httpx2.ASGITransport(app=guard)
    headers = {"Authorization": "Bearer read"}
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://127.0.0.1:8808", headers=headers
    ) as http:
        for _ in range(int(ADMITTED.burst)):
            guard.admitted.take("token:read")
        answer = await http.post("/api/v1/list_chats")

    assert (answer.status_code, code_of(answer)) == (429, "RATE_LIMITED")
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("token", "tool", "status"),
    [
        ("read", "list_chats", 200),
        ("read", "send_message", 403),
        ("read", "reconnect", 403),
        ("send", "list_chats", 403),
        ("send", "send_message", 200),
        ("admin", "reconnect", 200),
        ("admin", "send_message", 403),
    ],
)
async def test_a_token_calls_what_its_scopes_allow(
    source: FakeSource, device: FakeDevice, token: str, tool: str, status: int
) -> None:
    body = {"chat": "Bob", "text": "hi"} if tool == "send_message" else {}
    async with api(source, token=token) as http:
        answer = await http.post(f"/api/v1/{tool}", json=body)

    assert answer.status_code == status, answer.text
    assert len(device.sends) == (tool == "send_message" and status == 200)


async def test_the_principal_is_the_token_and_the_client_what_it_calls_itself(
    source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    callers = noted(monkeypatch)
    await called(source, "list_chats", {}, **{"User-Agent": "n8n\x01/1.2"})

    (caller,) = callers
    assert (caller.principal, caller.client, caller.tool) == ("token:test", "n8n?", "list_chats")


async def test_a_policy_that_leaves_acts_to_the_host_does_not_leave_them_to_a_program(
    source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No host stands before this interface that would ask about what was called destructive."""
    source.policy = Policy(PolicySettings(mode="standard", approval="host"))
    assert source.policy.leaves_to_host
    callers = noted(monkeypatch)
    await called(source, "send_message", {"chat": "Bob", "text": "hi"})

    assert [(caller.hinted, caller.asks) for caller in callers] == [(False, False)]


async def test_what_a_person_has_to_approve_is_a_conflict_with_the_id_of_the_question(
    source: FakeSource, device: FakeDevice
) -> None:
    device.held = Approval(
        "qxz", ApprovalState.OPEN, "send_message", "token:test", ("To Bob: hi",), "you decide", NOON, NOON
    )
    async with api(source) as http:
        body = {"chat": "Bob", "text": "hi"}
        asked = await http.post("/api/v1/send_message", json=body)
        waiting = await http.post("/api/v1/await_approval", json={"approval": "qxz", "wait": 0})
        device.held = replace(device.held, state=ApprovalState.APPROVED)
        decided = await http.post("/api/v1/await_approval", json={"approval": "qxz", "wait": 0})
        done = await http.post("/api/v1/send_message", json=body)

    assert (asked.status_code, asked.json()["error"]["approval"]) == (409, "qxz")
    assert (waiting.json()["state"], decided.json()["state"]) == ("open", "approved")
    assert (done.status_code, len(device.sends)) == (200, 1)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RateLimited("Too fast.", retry_after=2.5), 429),
        (NotOnWhatsApp("Nobody.", candidates=[Candidate("Ann", "+15550002222")]), 422),
        (ApprovalRequired("Asked.", approval="abc"), 409),
    ],
)
async def test_an_error_has_its_status_and_all_that_it_says(
    source: FakeSource, device: FakeDevice, error: WhatsAppError, status: int
) -> None:
    device.fails = error
    answer = await called(source, "send_message", {"chat": "Bob", "text": "hi"})

    said = answer.json()["error"]
    assert (answer.status_code, said["code"], said["message"]) == (status, error.code, error.message)
    assert answer.headers.get("retry-after") == ("3" if error.retry_after else None)
    assert said.get("candidates") == (["“Ann” (+15550002222)"] if error.candidates else None)


async def test_a_failure_of_this_server_says_nothing_of_its_inside(
    source: FakeSource, device: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(device, "mark_read", broken)
    answer = await called(source, "mark_read", {"chat": "Bob"})

    assert (answer.status_code, code_of(answer)) == (503, "BUSY")
    assert "secret" not in answer.text


def test_every_code_has_a_status() -> None:
    codes = {kind.code for kind in _subclasses(WhatsAppError)} | {WhatsAppError.code}
    assert codes <= STATUSES.keys()
    assert STATUSES.keys() - codes == {"UNAUTHORIZED"}


async def test_a_key_in_the_header_is_that_of_the_send(source: FakeSource, device: FakeDevice) -> None:
    body = {"chat": "Bob", "text": "hi"}
    first = await called(source, "send_message", body, **{"Idempotency-Key": "k1"})
    same = await called(
        source, "send_message", {**body, "idempotency_key": "k1"}, **{"Idempotency-Key": "k1"}
    )
    other = await called(
        source, "send_message", {**body, "idempotency_key": "k2"}, **{"Idempotency-Key": "k1"}
    )

    assert (first.status_code, same.status_code, other.status_code) == (200, 200, 400)
    assert [sent.idempotency_key for sent in device.sends] == ["k1", "k1"]


@pytest.mark.parametrize(
    ("tool", "body", "status"),
    [
        ("create_group", {"name": "Crew", "members": ["Bob"]}, 400),
        ("mark_read", {"chat": "Bob"}, 200),
        ("list_chats", {}, 200),
    ],
)
async def test_a_key_is_refused_where_it_would_not_keep_an_act_from_happening_twice(
    source: FakeSource, tool: str, body: dict[str, Any], status: int
) -> None:
    answer = await called(source, tool, body, **{"Idempotency-Key": "k1"})

    assert answer.status_code == status
