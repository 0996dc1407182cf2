"""The leader's device does what the policy allows at that moment, whoever asks."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from tests.core import CORE_OPERATIONS
from tests.device.conftest import Leader
from tests.tables import for_each
from whatsapp_mcp.device.clock import SystemClock
from whatsapp_mcp.device.connection.client_process import Client
from whatsapp_mcp.device.guard import EnforcedDevice, Gate
from whatsapp_mcp.device.guard.bookkeeping import AuditBegin
from whatsapp_mcp.device.operations import Invocation, Operation, contacts, nothing, operation_of, sends
from whatsapp_mcp.device.operations.registry import OPERATIONS
from whatsapp_mcp.device.status import Status
from whatsapp_mcp.errors import Denied
from whatsapp_mcp.ledger import Taint
from whatsapp_mcp.models import (
    PERSON,
    UNKNOWN,
    Caller,
    FileContent,
    SendRequest,
    SendResult,
    SendStatus,
    TextContent,
)
from whatsapp_mcp.policy import Effect
from whatsapp_mcp.processes.rpc import Params
from whatsapp_mcp.settings import AccountFolder, CurrentSettings, Settings
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio

ACTS = """block cancel_send change_group change_members change_privacy change_profile create_channel
create_group follow_channel forget_chat join_group leave_group link_group mark_read react_in_channel
reject_call reset_group_invite save_contact send set_aside
set_timer show_presence typing unlink"""
ANN = "15550002222@s.whatsapp.net"
OPEN = '[policy]\nmode = "open"\n'
READ_ONLY = '[policy]\nmode = "read_only"\n'


def write(home: Path, text: str) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.toml").write_text(text, encoding="utf-8")


class Recorded(EnforcedDevice):
    """A device that only notes what is done."""

    def __init__(self, gate: Gate) -> None:
        super().__init__(gate, [])
        self.asked: list[str] = []

    async def _do(self, operation: Operation, arguments: dict[str, Any], invocation: Invocation) -> Any:
        self.asked.append(operation.name)
        return SendResult(1, "", SendStatus.SENT)


class Unwritten:
    """A bookkeeper that writes nothing down and has no budgets."""

    async def check(self, *args: object) -> None:
        pass

    refused = check

    @asynccontextmanager
    async def act(self, *args: object) -> AsyncIterator[AuditBegin]:
        yield nothing


class NothingHandedOut:
    """A ledger in which nobody was given words."""

    async def taint_of(self, caller: Caller) -> Taint:
        return Taint()


def enforced(home: Path) -> Recorded:
    """A device whose gate knows no chats: neither `open` nor `read_only` asks about any."""
    nothing = cast("Any", None)
    write(home, OPEN)
    settings = CurrentSettings(Settings(home=home))
    gate = Gate(nothing, cast("Any", NothingHandedOut()), settings, nothing, SystemClock())
    gate.books = cast("Any", Unwritten())
    return Recorded(gate)


def test_what_each_operation_does_is_declared_and_changes_only_on_purpose() -> None:
    effects = {name: operation.effect for name, operation in CORE_OPERATIONS.items()}
    acts = {name for name, effect in effects.items() if effect in {Effect.ACT, Effect.NAME, Effect.DESTROY}}
    assert acts == set(ACTS.split())
    links = {name for name, effect in effects.items() if effect is Effect.LINK}
    assert links == {"link", "reconnect", "pause", "resume"}


def test_what_declares_nothing_is_no_operation() -> None:
    async def status(account: Status) -> None:
        """As somebody adds one."""

    with pytest.raises(TypeError, match="status does not declare"):
        operation_of(status)


OF_PERSONS = {name for name, operation in CORE_OPERATIONS.items() if operation.effect is Effect.PERSON}


@for_each("mode", ["open", "standard", "lockdown", "read_only"])
@for_each("name", sorted(OF_PERSONS))
async def test_what_a_person_alone_may_do_no_agent_does(tmp_path: Path, name: str, mode: str) -> None:
    device = enforced(tmp_path)
    write(tmp_path, f'[policy]\nmode = "{mode}"\n')
    arguments = dict.fromkeys(OPERATIONS[name].parameters)
    for caller in (UNKNOWN, Caller("stdio:agent"), Caller("token:all")):
        with pytest.raises(Denied, match="Only a person"):
            await device.acting_for(caller).perform(OPERATIONS[name], arguments)
    await device.acting_for(PERSON).perform(OPERATIONS[name], arguments)
    assert device.asked == [name]


@for_each("name", sorted(CORE_OPERATIONS.keys() - OF_PERSONS))
async def test_what_is_read_only_at_the_moment_refuses_every_act_and_nothing_else(
    tmp_path: Path, name: str
) -> None:
    device = enforced(tmp_path)
    arguments: dict[str, Any] = dict.fromkeys(OPERATIONS[name].parameters)
    if name == "send":
        arguments["request"] = SendRequest(ANN, TextContent("hello"))
    await device.perform(OPERATIONS[name], arguments)
    write(tmp_path, READ_ONLY)
    if name in ACTS.split():
        with pytest.raises(Denied, match=re.escape(name)):
            await device.perform(OPERATIONS[name], arguments)
        assert device.asked == [name]
    else:
        await device.perform(OPERATIONS[name], arguments)
        assert device.asked == [name, name]
    write(tmp_path, OPEN)
    await device.perform(OPERATIONS[name], arguments)
    assert device.asked[-1] == name


async def test_each_operation_that_is_asked_for_is_checked(tmp_path: Path) -> None:
    device = enforced(tmp_path)
    write(tmp_path, READ_ONLY)
    with pytest.raises(Denied):
        await device.do(sends.send, SendRequest(ANN, TextContent("hello")))
    await device.do(contacts.blocked)
    assert device.asked == ["blocked"]


async def test_a_send_that_was_accepted_before_is_refused_when_it_would_go_out(
    wa: WhatsApp, linked: Leader, folder: AccountFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, call = wa.person("Ann"), Client.call

    async def changed_meanwhile(
        self: Client, method: str, params: Params | None = None, *, deadline: float = 20.0
    ) -> Any:
        if method == "upload":
            write(folder.path.parent.parent, READ_ONLY)
        return await call(self, method, params, deadline=deadline)

    monkeypatch.setattr(Client, "call", changed_meanwhile)
    file = folder.media / "book.pdf"
    file.write_bytes(b"%PDF")
    content = FileContent("document", str(file), "application/pdf")
    with pytest.raises(Denied, match="read-only"):
        await linked.device.outbox.submit(SendRequest(str(ann.pn), content))
    with pytest.raises(Denied, match="read-only"):
        await linked.device.outbox.submit(SendRequest(str(ann.pn), TextContent("hello")))
    kept = await linked.archive.outbox_get(1)
    assert kept.reason == 'DENIED: This account is read-only, so send is refused (mode = "read_only").'
    assert ann.inbox == []
