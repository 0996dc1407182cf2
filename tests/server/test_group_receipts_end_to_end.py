"""Read receipts in groups leave only where a person has switched them on; silence of groups is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.fixtures import until
from tests.server.linked import LIMIT, Linked, linked_account
from tests.server.test_core_tools import answer
from whatsapp_mcp.device import group_receipts
from whatsapp_simulator.groups import Group

pytestmark = pytest.mark.anyio


@pytest.fixture
async def linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Linked]:
    """A linked account of its own, whose server looks often for receipts that are due."""
    monkeypatch.setattr(group_receipts, "LOOK", 0.02)
    (tmp_path / "home").mkdir()
    async with linked_account(tmp_path / "home") as account:
        yield account


async def heard(linked: Linked, text: str, group: Group | None) -> str:
    """Ann writes, and the archive has it."""
    said = await linked.ann.says(text, group)
    await until(
        linked.client,
        lambda got: any(each["message_id"] == said for each in got["messages"]),
        "list_messages",
    )
    return said


async def test_a_group_gets_read_receipts_only_where_they_are_switched_on(linked: Linked) -> None:
    rowers, painters = (linked.wa.group(name, [linked.ann, linked.ben]) for name in ("Rowers", "Painters"))
    config, on = linked.home / "config.toml", "[privacy]\ngroup_receipts = true\n"
    await heard(linked, "before", rowers)
    config.write_text(f'{on}[policy]\nmode = "read_only"\n', encoding="utf-8")
    await heard(linked, "direct", None)
    newest = await heard(linked, "after", rowers)
    config.write_text(f'{on}[[policy.chats]]\njid = "{painters.jid}"\nsend = "deny"\n', encoding="utf-8")
    await linked.ann.receipt(newest, "read", LIMIT)
    denied = await heard(linked, "hello", painters)
    config.write_text(on, encoding="utf-8")
    await linked.ann.receipt(denied, "read", LIMIT)
    assert [each.id for each in linked.ann.receipts if each.kind == "read"] == [newest, denied]
    for group, unread in ((rowers, 2), (painters, 1)):
        chat = await linked.archive.chat(str(group.jid))
        assert chat is not None
        assert chat.unread == unread


async def test_the_status_tells_that_groups_have_fallen_silent(linked: Linked) -> None:
    now = int(linked.wa.network.now())
    groups = [linked.wa.group(name, [linked.ann, linked.ben]) for name in ("One", "Two", "Three")]
    for group in groups:
        for day in range(7):
            at = now - int(timedelta(days=day + 1, hours=1).total_seconds())
            await linked.ann.says("busy", group, at=at)
    await heard(linked, "direct", None)
    await until(linked.client, lambda status: status["silent_groups"] == len(groups), "connection_status")
    text, _ = await answer(linked.client, "connection_status")
    assert "No message of a group has come for a day" in text
    assert "When groups fall silent" in text
    await heard(linked, "again", groups[0])
    text, status = await answer(linked.client, "connection_status")
    assert (status["silent_groups"], "No message of a group" in text) == (0, False)
    assert "read" not in {each.kind for each in linked.ann.receipts}
