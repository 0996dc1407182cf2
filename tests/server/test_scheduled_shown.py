"""What a caller is shown of scheduled sends: not what another wrote after it had read strangers' words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.archive.events import ANA, BOB
from whatsapp_mcp.archive import Archive, open_archive, outbox
from whatsapp_mcp.ledger import Ledger, open_ledger
from whatsapp_mcp.models import PERSON, Authorship, Caller, SendRequest, TextContent
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.server.reading import GuardedArchive
from whatsapp_mcp.settings import ChatRule, PolicySettings, Settings

pytestmark = pytest.mark.anyio
AT = datetime.now(UTC) + timedelta(days=1)
AUTHOR, OTHER = Caller("stdio:author"), Caller("stdio:other")


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[tuple[Archive, Ledger]]:
    folder = Settings(home=tmp_path).account_folder()
    folder.create()
    async with open_archive(folder, write=True) as archive, open_ledger(folder) as ledger:
        yield archive, ledger


async def schedule(archive: Archive, chat: str, *sources: str, caller: Caller = AUTHOR) -> None:
    known = Authorship(caller, sources, "digest")
    await archive.write(outbox.add, SendRequest(chat, TextContent(f"to {chat}"), at=AT), scheduling=known)


@pytest.mark.parametrize(
    ("sources", "mode", "caller", "withheld"),
    [
        (("stranger",), "standard", AUTHOR, False),
        (("stranger",), "standard", OTHER, True),
        (("stranger",), "standard", PERSON, False),
        (("stranger",), "open", OTHER, False),
        (("contact",), "standard", OTHER, False),
        (("contact",), "lockdown", OTHER, True),
        ((), "standard", OTHER, False),
    ],
)
async def test_words_that_may_be_a_strangers_stay_back_from_whoever_did_not_write_them(
    opened: tuple[Archive, Ledger], sources: tuple[str, ...], mode: str, caller: Caller, withheld: bool
) -> None:
    archive, ledger = opened
    await schedule(archive, ANA, *sources)
    policy = Policy(PolicySettings.model_validate({"mode": mode}))
    (shown,) = await GuardedArchive(archive, ledger, policy, caller).scheduled_sends()
    assert shown.withheld is withheld


@pytest.mark.parametrize("mode", ["standard", "lockdown", "open"])
async def test_what_waits_for_a_yes_is_shown_to_who_wrote_it_alone(
    opened: tuple[Archive, Ledger], mode: str
) -> None:
    archive, ledger = opened
    request = SendRequest(ANA, TextContent("to Ana"), at=AT)
    await archive.write(outbox.add, request, scheduling=Authorship(AUTHOR, (), "digest"), held=True)
    policy = Policy(PolicySettings.model_validate({"mode": mode}))
    for caller, withheld in ((AUTHOR, False), (OTHER, True), (PERSON, False)):
        (shown,) = await GuardedArchive(archive, ledger, policy, caller).scheduled_sends()
        assert shown.withheld is withheld


async def test_a_chat_that_may_not_be_read_is_not_listed_and_one_to_ask_about_keeps_its_words(
    opened: tuple[Archive, Ledger],
) -> None:
    archive, ledger = opened
    await schedule(archive, ANA)
    await schedule(archive, BOB)
    rules = (ChatRule(jid=ANA, read="ask"), ChatRule(jid=BOB, read="deny"))
    guarded = GuardedArchive(archive, ledger, Policy(PolicySettings(chats=rules)), OTHER)
    (shown,) = await guarded.scheduled_sends()
    assert (shown.entry.request.chat, shown.withheld) == (ANA, True)
