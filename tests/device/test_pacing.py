"""Sends to different chats are apart, and what WhatsApp imposes is written down for every server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from tests.device.conftest import Leader
from tests.device.guarded import guarding
from whatsapp_mcp.device.operations import sends
from whatsapp_mcp.device.outbox.lines import Pacer
from whatsapp_mcp.errors import RateLimited, Rejected
from whatsapp_mcp.ledger import open_ledger
from whatsapp_mcp.models import ConnectionState, SendRequest, TextContent
from whatsapp_mcp.settings import AccountFolder, CurrentSettings, Settings
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def pacer(home: Path, policy: str = "[policy.budgets]\ngap_seconds = 2\n") -> Pacer:
    (home / "config.toml").write_text(policy, encoding="utf-8")
    return Pacer(CurrentSettings(Settings(home=home)), chance=lambda: 0.5)


def test_the_first_send_and_the_next_to_the_same_chat_go_at_once(tmp_path: Path) -> None:
    made = pacer(tmp_path)
    assert [made.take("ann", NOW) for _ in range(3)] == [0, 0, 0]


def test_a_send_to_another_chat_waits_and_each_after_it_for_that_one(tmp_path: Path) -> None:
    made = pacer(tmp_path)
    assert [made.take(chat, NOW) for chat in ("ann", "bob", "eve", "ann")] == [0, 2, 4, 6]
    assert made.left("bob", NOW + timedelta(seconds=7)) == 1
    assert made.left("bob", NOW + timedelta(seconds=9)) == 0


def test_what_a_person_has_just_decided_about_goes_at_once(tmp_path: Path) -> None:
    made = pacer(tmp_path)
    made.take("ann", NOW)
    made.skip_pause("bob")
    assert [made.take(chat, NOW) for chat in ("bob", "ann", "bob")] == [0, 2, 4]


def test_in_the_mode_open_nothing_waits(tmp_path: Path) -> None:
    made = pacer(tmp_path, '[policy]\nmode = "open"\n')
    assert [made.take(chat, NOW) for chat in ("ann", "bob", "eve")] == [0, 0, 0]


async def test_a_send_that_whatsapp_answers_with_463_pauses_first_messages_for_every_server(
    wa: WhatsApp, linked: Leader, folder: AccountFolder
) -> None:
    async with guarding(wa, linked, folder, '[policy]\nmode = "open"\n') as guarded:
        linked.device.pauses = guarded.ledger.pauses
        wa.ack_error(463)
        with pytest.raises(Rejected, match="463"):
            await guarded.agent.do(
                sends.send, SendRequest(str(guarded.stranger.pn), TextContent("hello"), wait=10)
            )
        async with open_ledger(folder) as another:
            until = another.pauses.now().timelocked_until
        assert until is not None
        with pytest.raises(RateLimited, match="463") as refused:
            await guarded.agent.do(
                sends.send, SendRequest(str(wa.person("New").pn), TextContent("hello"), wait=10)
            )
        assert 0 < (refused.value.retry_after or 0) <= 86_400


async def test_a_ban_is_written_down_with_its_end(
    wa: WhatsApp, linked: Leader, folder: AccountFolder
) -> None:
    async with open_ledger(folder) as ledger:
        linked.device.pauses = ledger.pauses
        wa.failure(402, code=101, expire=3600)
        await wa.cut()
        status = await linked.until(ConnectionState.BANNED)
        with anyio.fail_after(30):
            while (until := ledger.pauses.now().banned_until) is None:  # noqa: ASYNC110
                await anyio.sleep(0.01)
    assert status.until is not None
    assert abs(until - status.until) < timedelta(seconds=2)
