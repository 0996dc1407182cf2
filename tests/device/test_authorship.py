"""What an agent scheduled after it had been given strangers' words stays what it is, whoever moves it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.archive import events as ev
from tests.device.guarded import AGENT
from tests.device.later_rig import MINUTE, Later, leading
from whatsapp_mcp.device.operations import approvals, sends
from whatsapp_mcp.errors import ApprovalRequired, Denied
from whatsapp_mcp.ledger import Exposure
from whatsapp_mcp.models import (
    Authorship,
    Caller,
    FileContent,
    SendStatus,
)
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio
STANDARD = '[policy]\nmode = "standard"\n'
ALLOWED = f'{STANDARD}[[policy.chats]]\nname = "Ana"\nsend = "allow"\n'
ASKING = f'{STANDARD}[[policy.chats]]\nname = "Ana"\nsend = "ask"\n'
OTHER = replace(AGENT, principal="stdio:other")
WRITTEN = Authorship(Caller("stdio:agent"), ("stranger",))
AT = ev.NOW
PICTURE = FileContent("image", "/nowhere/a.png", "image/png", caption="as told")


async def moved(later: Later, caller: Caller, send_id: int) -> int:
    """The number of a scheduled send that was moved, as `change_scheduled` moves it."""
    former = (await later.archive.outbox_get(send_id)).request
    at = later.clock.now() + timedelta(hours=2)
    return (await later.acting_for(caller).do(sends.send, replace(former, at=at, replaces=send_id))).send_id


async def test_what_a_tainted_agent_scheduled_stays_its_own_whoever_moves_it(folder: AccountFolder) -> None:
    async with leading(folder, policy=ALLOWED) as later:
        await later.ledger.expose(AGENT.principal, Exposure.STRANGER)
        first = await later.agent.do(sends.send, later.later("as told"))
        with pytest.raises(Denied):
            await moved(later, OTHER, first.send_id)
        await later.person.do(approvals.clear_exposures, AGENT.principal)
        again = await moved(later, AGENT, first.send_id)
        known = (await later.archive.outbox_get(again)).authorship
        assert known is not None
        assert known.sources == ("stranger",)


async def test_what_waits_for_a_yes_is_not_moved_by_another_application(folder: AccountFolder) -> None:
    async with leading(folder, policy=ASKING) as later:
        with pytest.raises(ApprovalRequired):
            await later.agent.do(sends.send, later.later("as told"))
        (held,) = await later.archive.scheduled_sends()
        (question,) = await later.person.do(approvals.approvals)
        (folder.path.parent.parent / "config.toml").write_text(ALLOWED, encoding="utf-8")
        with pytest.raises(Denied):
            await moved(later, OTHER, held.send_id)
        assert await later.status(held.send_id) is SendStatus.HELD
        assert (await later.person.do(approvals.approvals)) == (question,)
        await later.passes(3 * 60 * MINUTE)
        assert later.wire.handed_over == []


async def test_after_strangers_words_a_moved_send_is_asked_about_though_its_mover_read_none(
    folder: AccountFolder,
) -> None:
    async with leading(folder, policy=ALLOWED) as later:
        await later.ledger.expose(AGENT.principal, Exposure.STRANGER)
        first = await later.agent.do(sends.send, later.later("as told"))
        (folder.path.parent.parent / "config.toml").write_text(STANDARD, encoding="utf-8")
        await later.person.do(approvals.clear_exposures, AGENT.principal)
        with pytest.raises(ApprovalRequired):
            await moved(later, AGENT, first.send_id)
