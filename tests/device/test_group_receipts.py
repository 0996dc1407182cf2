"""The server sends read receipts by itself in groups alone, only where it is told to, and few of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, BOB, journal
from tests.device.fake_clock import FakeClock
from whatsapp_mcp.archive import Archive, open_archive
from whatsapp_mcp.device.connection import FileKeys
from whatsapp_mcp.device.group_receipts import AGAIN, GroupReceipts
from whatsapp_mcp.errors import NotConnected
from whatsapp_mcp.processes.rpc import Params
from whatsapp_mcp.settings import AccountFolder, CurrentSettings, Settings

pytestmark = pytest.mark.anyio

GROUP, OTHER = "120363000000000001@g.us", "120363000000000002@g.us"
ON = "[privacy]\ngroup_receipts = true\n"


class PassingClock(FakeClock):
    """Goes on by itself while somebody sleeps."""

    async def sleep(self, seconds: float) -> None:
        await self.jump(seconds)


class NoKeys(FileKeys):
    """Knows nothing of how people are addressed in groups."""

    async def sender_in(self, chat: str, message_id: str) -> tuple[str, str] | None:
        return None


@dataclass
class Rig:
    """An archive, and a client that only notes what it is asked."""

    archive: Archive
    home: Path
    clock: PassingClock = field(default_factory=PassingClock)
    receipts: list[tuple[str, str, list[str]]] = field(default_factory=list[tuple[str, str, list[str]]])
    read_receipts: str = "all"
    told: int = 0
    unavailable: bool = False

    def __post_init__(self) -> None:
        self.configure(ON)
        keys, settings = NoKeys(self.home / "client.db"), CurrentSettings(Settings(home=self.home))
        self.group_receipts = GroupReceipts(
            self.archive, keys, settings, self.clock, call=self.call, privacy=self.privacy
        )

    async def call(self, method: str, params: Params) -> Any:
        assert (method, params["receipt"]) == ("mark_read", "read")
        if self.unavailable:
            raise NotConnected("down")
        self.receipts.append((params["chat"], params["sender"], params["ids"]))

    async def privacy(self) -> dict[str, str]:
        return {"read_receipts": self.read_receipts}

    def configure(self, text: str) -> None:
        (self.home / "config.toml").write_text(text, encoding="utf-8")

    async def hear(self, wa_id: str, chat: str = GROUP, sender: str | None = ANA, age: int = 0) -> None:
        """Archive a message that came just now, or some seconds ago."""
        said = ev.message(wa_id, chat=chat, sender=sender, at=int(self.clock.now().timestamp()) - age)
        await self.archive.ingest(journal([said], after=self.told))
        self.told += 1

    async def sends(self) -> list[tuple[str, str, list[str]]]:
        """The receipts of one look."""
        before = len(self.receipts)
        await self.group_receipts.send_due()
        return self.receipts[before:]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with open_archive(AccountFolder("default", tmp_path), write=True) as archive:
        yield Rig(archive, tmp_path)


async def test_the_newest_message_of_each_group_gets_one_receipt(rig: Rig) -> None:
    for wa_id, sender in (("A1", ANA), ("B1", BOB), ("own", None)):
        await rig.hear(wa_id, sender=sender)
        await rig.clock.jump(1)
    await rig.hear("A2", OTHER)
    await rig.hear("direct", ANA)
    assert await rig.sends() == [(OTHER, ANA, ["A2"]), (GROUP, BOB, ["B1"])]
    assert await rig.sends() == []
    chat = await rig.archive.chat(OTHER)
    assert chat is not None
    assert chat.unread == 1


async def test_a_group_gets_a_receipt_an_hour_at_most(rig: Rig) -> None:
    await rig.hear("A1")
    await rig.sends()
    await rig.clock.jump(AGAIN / 2)
    await rig.hear("A2")
    assert await rig.sends() == []
    await rig.clock.jump(AGAIN / 2)
    assert await rig.sends() == [(GROUP, ANA, ["A2"])]
    await rig.clock.jump(2 * AGAIN)
    assert await rig.sends() == []


async def test_old_messages_get_no_receipt_when_it_is_switched_on(rig: Rig) -> None:
    await rig.hear("A1", age=8 * 86_400)
    assert await rig.sends() == []


@pytest.mark.parametrize(
    "config",
    [
        "",
        "[privacy]\ngroup_receipts = false\n",
        f'{ON}[policy]\nmode = "read_only"\n',
        f'{ON}[[policy.chats]]\njid = "{GROUP}"\nsend = "deny"\n',
        f'{ON}[[policy.chats]]\nkind = "group"\nsend = "ask"\n',
        f'timezone = "UTC"\n{ON}[policy]\nquiet_hours = "23:00-01:00"\n',
    ],
    ids=["default", "off", "read-only", "a rule forbids it", "a rule asks", "quiet hours"],
)
async def test_nothing_is_sent_that_the_settings_do_not_allow(rig: Rig, config: str) -> None:
    await rig.hear("A1")
    rig.configure(config or "# nothing\n")
    assert await rig.sends() == []
    rig.configure(ON)
    assert await rig.sends() == [(GROUP, ANA, ["A1"])]


async def test_nothing_is_sent_while_it_is_not_known_who_may_see_it(rig: Rig) -> None:
    await rig.hear("A1")
    rig.read_receipts = "undefined"
    assert await rig.sends() == []
    rig.read_receipts = "none"
    assert await rig.sends() == [(GROUP, ANA, ["A1"])]


async def test_what_could_not_be_sent_is_sent_at_the_next_look(rig: Rig) -> None:
    await rig.hear("A1")
    rig.unavailable = True
    with pytest.raises(NotConnected):
        await rig.group_receipts.send_due()
    rig.unavailable = False
    assert await rig.sends() == [(GROUP, ANA, ["A1"])]
