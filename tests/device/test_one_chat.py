"""The leader does nothing beyond one chat for a caller that is bound to it, whichever operation it tries."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from tests.archive import events as ev
from tests.archive.events import journal
from tests.core import CORE_OPERATIONS
from tests.device.conftest import settings_of
from tests.tables import for_each
from whatsapp_mcp import models
from whatsapp_mcp.archive import Archive, open_archive
from whatsapp_mcp.device.clock import SystemClock
from whatsapp_mcp.device.guard import EnforcedDevice, Gate
from whatsapp_mcp.device.operations import (
    Device,
    Invocation,
    Operation,
    approvals,
    chats,
    control,
    files,
    sends,
)
from whatsapp_mcp.errors import Denied, WhatsAppError
from whatsapp_mcp.ledger import Ledger, Question, open_ledger
from whatsapp_mcp.models import (
    Activity,
    AlbumContent,
    Caller,
    ContactCardContent,
    Content,
    EditContent,
    FileContent,
    ForwardContent,
    LocationContent,
    Permit,
    PinContent,
    PollContent,
    ReactionContent,
    RevokeContent,
    SendRequest,
    TextContent,
    VoteContent,
)
from whatsapp_mcp.settings import Settings

pytestmark = pytest.mark.anyio
ANN, BOB = "15550002222@s.whatsapp.net", "15550004444@s.whatsapp.net"
BOUND = Caller(f"chat:{ANN}", chat=ANN)
AT = int(datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp())
FILE = FileContent("document", "/tmp/plan.pdf", "application/pdf")
ANY: dict[str, Any] = {
    "request": SendRequest(BOB, TextContent("hi")), "chat": BOB, "jid": BOB, "community": BOB, "group": BOB,
    "caller": BOB, "members": (BOB,), "number": "abcdef", "wanted": Permit("release", (BOB,)),
}  # fmt: skip
"""Arguments beyond the chat, by name; others get a value of no matter."""


class Reached(EnforcedDevice):
    """A device that notes what is done."""

    def __init__(self, gate: Gate) -> None:
        super().__init__(gate, [])
        self.done: list[str] = []

    async def _do(self, operation: Operation, arguments: dict[str, Any], invocation: Invocation) -> Any:
        await invocation.begin()
        self.done.append(operation.name)
        return Activity(1, (ANN, BOB))


@dataclass
class Rig:
    archive: Archive
    ledger: Ledger
    reached: Reached
    bound: Device
    refs: dict[str, int]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """Ann and Bob wrote one message each; the policy allows everything."""
    folder = Settings(home=tmp_path).account_folder()
    folder.create()
    (tmp_path / "config.toml").write_text('[policy]\nmode = "open"\n')
    async with open_archive(folder, write=True) as archive, open_ledger(folder) as ledger:
        await archive.ingest(
            journal(
                [
                    ev.message("A1", "from Ann", chat=ANN, at=AT),
                    ev.message("B1", "from Bob", chat=BOB, at=AT),
                ]
            )
        )
        refs = {one.chat: one.ref for one in (await archive.messages()).items}
        gate = Gate(archive, ledger, settings_of(folder), lambda: cast("Any", None), SystemClock())
        reached = Reached(gate)
        yield Rig(archive, ledger, reached, reached.acting_for(BOUND), refs)


def _value(rig: Rig, name: str, parameter: inspect.Parameter) -> Any:
    if name == "ref":
        return rig.refs[BOB]
    if name in ANY:
        return ANY[name]
    return _made(parameter.annotation) if parameter.default is inspect.Parameter.empty else parameter.default


def _made(annotation: str) -> Any:
    """A value of a parameter that matters to nobody here."""
    simple = {"bool": True, "int": 1, "str": "x", "ApprovalWay": "page", "MemberAction": "add"}
    if annotation.startswith(("tuple", "Literal")):
        return ("+15550004444",) if annotation.startswith("tuple") else "composing"
    return simple[annotation] if annotation in simple else getattr(models, annotation)()


@pytest.mark.filterwarnings("ignore:Pydantic serializer")  # a number that is no id of a question
@for_each("name", sorted(CORE_OPERATIONS.keys() - {"status", "activity"}))
async def test_no_operation_reaches_beyond_the_chat(rig: Rig, name: str) -> None:
    parameters = CORE_OPERATIONS[name].signature.parameters
    given = {each: _value(rig, each, parameter) for each, parameter in parameters.items()}
    with pytest.raises(WhatsAppError) as refused:
        await rig.bound.perform(CORE_OPERATIONS[name], given)
    assert refused.value.code in {"DENIED", "INVALID_ARGUMENT"}
    assert not rig.reached.done


@for_each(
    "content",
    [
        FILE,
        AlbumContent((FILE,)),
        ForwardContent(1),
        ContactCardContent("Bob", "+15550004444"),
        LocationContent(1, 2),
        EditContent("A1", "x"),
        RevokeContent("A1"),
        PinContent("A1", 60),
        TextContent("see https://example.com", link_preview=True),
    ],
)
async def test_nothing_but_words_of_its_own_goes_out(rig: Rig, content: Content) -> None:
    with pytest.raises(Denied):
        await rig.bound.do(sends.send, SendRequest(ANN, content))
    assert not rig.reached.done


async def test_a_message_of_another_chat_is_not_quoted(rig: Rig) -> None:
    with pytest.raises(Denied):
        await rig.bound.do(sends.send, SendRequest(ANN, TextContent("hi"), reply_to="B1", reply_chat=BOB))
    assert not rig.reached.done


async def test_the_question_of_another_agent_is_not_told(rig: Rig) -> None:
    question = Question(("To: Bob",), "asked", "digest", "send", {})
    held = await rig.ledger.approvals.hold(question, Caller("stdio:agent"), SystemClock().now())
    with pytest.raises(Denied):
        await rig.bound.do(approvals.approval, held.approval.id)


async def test_who_writes_elsewhere_is_not_told(rig: Rig) -> None:
    assert (await rig.bound.do(control.activity, 0)).typing == (ANN,)


async def test_what_stays_in_the_chat_is_done(rig: Rig) -> None:
    await rig.bound.do(files.download, rig.refs[ANN])
    await rig.bound.do(chats.typing, ANN, "composing")
    for content in (PollContent("?", ("a", "b")), ReactionContent("A1", "👍"), VoteContent("A1", ("a",))):
        await rig.bound.do(sends.send, SendRequest(ANN, content))
    assert rig.reached.done == ["download", "typing", "send", "send", "send"]
