"""A person is asked through the MCP host: what counts as their answer, in both eras of the protocol."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from mcp import Client
from mcp.client import ClientRequestContext
from mcp.shared.exceptions import MCPError
from mcp.types import (
    CallToolResult,
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitResult,
    Implementation,
    InputRequiredResult,
)

from tests.server.conftest import ANN_LEE
from tests.server.fakes import CODE, FakeDevice, FakeSource, text_of
from tests.server.two_accounts import CARLA, WORK, two_accounts
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.models import Approval, ApprovalState
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.calls import elicitation
from whatsapp_mcp.server.calls.elicitation import CHOICE, NO, YES
from whatsapp_mcp.settings import PolicySettings

pytestmark = pytest.mark.anyio

Mode = Literal["auto", "legacy"]
ERAS: tuple[Mode, ...] = ("auto", "legacy")
QUESTION = Approval(
    "k7mq2x",
    ApprovalState.OPEN,
    "send_message",
    "claude-code",
    ("Send this text:", "hello\u200b\nYou are asked because it is safe.", "to +15550009999"),
    "the recipient is not in the address book",
    datetime.now(UTC),
    datetime.now(UTC) + timedelta(hours=1),
)


@dataclass
class Person:
    """Answers a host's form, in time or at once."""

    answer: ElicitResult
    seconds: float = 0.0
    seen: list[ElicitRequestFormParams] = field(default_factory=list[ElicitRequestFormParams])

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        assert isinstance(params, ElicitRequestFormParams)
        self.seen.append(params)
        await anyio.sleep(self.seconds)
        return self.answer


def chosen(choice: str) -> ElicitResult:
    return ElicitResult(action="accept", content={CHOICE: choice})


@pytest.fixture
def device(device: FakeDevice) -> FakeDevice:
    device.held = QUESTION
    return device


@asynccontextmanager
async def host(
    source: FakeSource, mode: Mode, person: Person | None, name: str = "claude-code"
) -> AsyncGenerator[Client]:
    application = create(source, "core", new_code=lambda: CODE)
    info = Implementation(name=name, version="1")
    async with Client(application, mode=mode, client_info=info, elicitation_callback=person) as client:
        yield client


async def send(client: Client) -> str:
    result = await client.call_tool("send_message", {"chat": ANN_LEE, "text": "hello"})
    return text_of(result.content)


def setting(approval: Any) -> Policy:
    return Policy(PolicySettings(approval=approval))


@pytest.mark.parametrize("mode", ERAS)
async def test_a_filled_yes_does_the_act_and_its_result_is_the_answer_of_the_call(
    source: FakeSource, device: FakeDevice, mode: Mode
) -> None:
    person = Person(chosen(YES))
    async with host(source, mode, person) as client:
        assert (await send(client)).startswith("sent to Ann Lee")
    assert device.held is not None
    assert (device.held.state, device.held.way) == (ApprovalState.APPROVED, "elicitation")
    assert len(device.sends) == len(person.seen) == 1


@pytest.mark.parametrize("mode", ERAS)
async def test_the_person_reads_all_of_the_text_and_no_line_of_it_passes_for_ours(
    source: FakeSource, mode: Mode
) -> None:
    person = Person(chosen(NO))
    async with host(source, mode, person) as client:
        await send(client)
    assert person.seen[0].message.split("\n") == [
        "Send this text:",
        "hello‹U+200B› ⏎ You are asked because it is safe.",
        "to +15550009999",
        "You are asked because the recipient is not in the address book.",
    ]
    form = person.seen[0].requested_schema
    assert form["required"] == [CHOICE]
    assert "default" not in form["properties"][CHOICE]


@pytest.mark.parametrize("mode", ERAS)
async def test_a_filled_no_is_a_no(source: FakeSource, device: FakeDevice, mode: Mode) -> None:
    async with host(source, mode, Person(chosen(NO))) as client:
        assert "DENIED" in await send(client)
    assert device.held is not None
    assert device.held.state is ApprovalState.DENIED
    assert not device.sends


NOT_DECIDED = {
    "declined at once": ElicitResult(action="decline"),
    "cancelled": ElicitResult(action="cancel"),
    "an empty form": ElicitResult(action="accept", content={}),
    "no form": ElicitResult(action="accept"),
    "something else": ElicitResult(action="accept", content={CHOICE: "yes"}),
    "another field": ElicitResult(action="accept", content={"answer": YES}),
    "no choice": ElicitResult(action="accept", content={CHOICE: [YES]}),
}


@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize("name", NOT_DECIDED)
async def test_what_no_person_has_chosen_leaves_the_question_open(
    source: FakeSource, device: FakeDevice, mode: Mode, name: str
) -> None:
    person = Person(NOT_DECIDED[name])
    async with host(source, mode, person) as client:
        assert "APPROVAL_REQUIRED" in await send(client)
    assert device.held == QUESTION
    assert len(person.seen) == 1


@pytest.mark.parametrize("mode", ERAS)
async def test_whoever_declines_after_a_while_has_read_it_and_says_no(
    source: FakeSource, device: FakeDevice, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elicitation, "BY_ITSELF", 0.01)
    async with host(source, mode, Person(ElicitResult(action="decline"), 0.05)) as client:
        assert "DENIED" in await send(client)
    assert device.held is not None
    assert device.held.state is ApprovalState.DENIED


@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize("approval", ["phone", "page", "host"])
async def test_a_person_who_chose_another_way_is_not_asked_by_the_host(
    source: FakeSource, mode: Mode, approval: str
) -> None:
    source.policy, person = setting(approval), Person(chosen(YES))
    async with host(source, mode, person) as client:
        assert "APPROVAL_REQUIRED" in await send(client)
    assert not person.seen


@pytest.mark.parametrize("mode", ERAS)
async def test_a_host_that_was_not_seen_to_show_questions_asks_only_where_the_setting_says_so(
    source: FakeSource, device: FakeDevice, mode: Mode
) -> None:
    person = Person(chosen(YES))
    async with host(source, mode, person, "codex-mcp-client") as client:
        assert "APPROVAL_REQUIRED" in await send(client)
        assert not person.seen
        source.policy = setting("elicitation")
        assert "sent" in await send(client)


@pytest.mark.parametrize("mode", ERAS)
async def test_a_host_that_declares_no_forms_is_not_asked(source: FakeSource, mode: Mode) -> None:
    async with host(source, mode, None) as client:
        assert "APPROVAL_REQUIRED" in await send(client)


async def test_a_decision_elsewhere_ends_the_question_in_the_host(
    source: FakeSource, device: FakeDevice
) -> None:
    person = Person(chosen(NO), 60)
    async with host(source, "legacy", person) as client, anyio.create_task_group() as tasks:

        async def approve() -> None:
            while not person.seen:  # noqa: ASYNC110
                await anyio.sleep(0.01)
            device.held = replace(QUESTION, state=ApprovalState.APPROVED, way="terminal")

        tasks.start_soon(approve)
        with anyio.fail_after(30):
            assert "sent" in await send(client)


@dataclass
class Raw:
    """A client that sees questions and decides itself what it brings back."""

    client: Client

    async def call(self, text: str = "hello", **more: Any) -> InputRequiredResult | str:
        arguments = {"chat": ANN_LEE, "text": text}
        answer = await self.client.session.call_tool(
            "send_message", arguments, allow_input_required=True, **more
        )
        if isinstance(answer, InputRequiredResult):
            return answer
        assert isinstance(answer, CallToolResult)
        return text_of(answer.content)

    async def asked(self) -> str:
        """The sealed state of a question."""
        answer = await self.call()
        assert isinstance(answer, InputRequiredResult)
        assert answer.request_state is not None
        return answer.request_state


@asynccontextmanager
async def raw(source: FakeSource, name: str = "claude-code") -> AsyncGenerator[Raw]:
    """A client of a server that was started just now."""
    source.policy = setting("elicitation")
    application = create(source, "core", new_code=lambda: CODE, state_key=b"k" * 32)
    info = Implementation(name=name, version="1")
    async with Client(application, client_info=info, elicitation_callback=Person(chosen(YES))) as client:
        yield Raw(client)


async def test_a_question_outlasts_a_restart_of_the_server(source: FakeSource, device: FakeDevice) -> None:
    async with raw(source) as before:
        state = await before.asked()
    async with raw(source) as after:
        said = await after.call(input_responses={"approval": chosen(YES)}, request_state=state)
    assert isinstance(said, str)
    assert "sent" in said
    assert len(device.sends) == 1


async def test_an_answer_to_a_question_that_somebody_else_was_asked_decides_nothing(
    source: FakeSource, device: FakeDevice
) -> None:
    async with raw(source) as one, raw(source, "another") as other:
        state = await one.asked()
        said = await other.call(input_responses={"approval": chosen(YES)}, request_state=state)
    assert isinstance(said, str)
    assert "APPROVAL_REQUIRED" in said
    assert device.held == QUESTION


@pytest.mark.parametrize("forged", ["v1.AAAA", '["k7mq2x", "stdio:claude-code", 0]', ""])
async def test_a_forged_state_is_refused(source: FakeSource, device: FakeDevice, forged: str) -> None:
    async with raw(source) as client:
        await client.asked()
        with pytest.raises(MCPError, match="requestState"):
            await client.call(input_responses={"approval": chosen(YES)}, request_state=forged)
    assert device.held == QUESTION


async def test_the_answer_to_one_text_does_not_send_another(source: FakeSource, device: FakeDevice) -> None:
    async with raw(source) as client:
        state = await client.asked()
        with pytest.raises(MCPError, match="requestState"):
            await client.call("other", input_responses={"approval": chosen(YES)}, request_state=state)
    assert device.held == QUESTION


async def test_an_answer_without_a_question_is_asked_first(source: FakeSource, device: FakeDevice) -> None:
    async with raw(source) as client:
        answer = await client.call(input_responses={"approval": chosen(YES)})
    assert isinstance(answer, InputRequiredResult)
    assert device.held == QUESTION


@pytest.mark.parametrize("mode", ERAS)
async def test_the_person_reads_in_which_of_several_accounts_it_would_be_done(
    source: FakeSource, tmp_path: Path, archive: Archive, mode: Mode
) -> None:
    home = tmp_path / "another"
    home.mkdir()
    async with two_accounts(home, source, archive) as two:
        two.work.device.held = QUESTION
        person = Person(chosen(NO))
        info = Implementation(name="claude-code", version="1")
        application = two.application()
        async with Client(application, mode=mode, client_info=info, elicitation_callback=person) as client:
            await client.call_tool("send_message", {"account": WORK, "chat": CARLA, "text": "hello"})
        assert person.seen[0].message.startswith("In the account work:\n")
