"""The card of linking, from a simulated phone to what is drawn: by QR, by code, and why it failed."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from tests import simulated
from tests.devices import direct
from tests.server.card_host import APPS, DrawnCard, drawn
from tests.server.fakes import NOON, FakeDevice, FakeSource
from whatsapp_mcp.archive import Archive, open_archive
from whatsapp_mcp.device.local_device import LocalDevice
from whatsapp_mcp.device.operations import control
from whatsapp_mcp.device.supervise import background_tasks
from whatsapp_mcp.models import ConnectionState, QrCode
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.calls import Accounts
from whatsapp_mcp.server.cards import LINK
from whatsapp_mcp.server.render import qr_png
from whatsapp_mcp.settings import CurrentSettings, PolicySettings, Settings
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.adv import LinkingError

pytestmark = pytest.mark.anyio

Mode = Literal["auto", "legacy"]
ERAS: tuple[Mode, ...] = ("auto", "legacy")


@dataclass
class Linking:
    """A phone, an account that nobody is linked to, and a host that draws cards."""

    wa: WhatsApp
    device: LocalDevice
    client: Client

    async def shown_qr(self, card: DrawnCard) -> str:
        """The text of the QR that the card shows: that of the device whose picture is the same."""
        seen = await card.until(lambda seen: not seen["scan"]["hidden"])
        text = (await direct(self.device).do(control.link_state)).qr
        assert text is not None
        assert seen["qr"]["src"] == f"data:image/png;base64,{qr_png(text.text)}"
        return text.text


@asynccontextmanager
async def linking(home: Path, mode: Mode) -> AsyncIterator[Linking]:
    """Serve an account that nobody is linked to."""
    folder = Settings(home=home).account_folder()
    folder.create()
    async with WhatsApp() as wa:
        with pytest.MonkeyPatch.context() as patch:
            simulated.use(wa, patch)
            async with open_archive(folder, write=True) as archive, background_tasks() as tasks:
                settings = CurrentSettings(Settings(home=home))
                device = LocalDevice(folder, settings, archive, tasks, owner=None)
                await device.start()
                application = create(FakeSource(cast("Any", device), archive, home), "core")
                async with Client(application, mode=mode, extensions=[APPS]) as client:
                    yield Linking(wa, device, client)


@pytest.mark.parametrize("mode", ERAS)
async def test_the_qr_on_the_card_links_and_the_card_then_says_whose_phone_it_is(
    tmp_path: Path, mode: Mode
) -> None:
    async with linking(tmp_path, mode) as it, drawn(LINK, it.client, tmp_path) as card:
        await card.show_result("link_device", {})
        await it.wa.me.scan(await it.shown_qr(card))
        seen = await card.until(lambda seen: seen["outcome"]["text"].startswith("Linked as"))
        assert it.wa.me.pn.number in seen["outcome"]["text"]
        assert [seen[part]["hidden"] for part in ("scan", "type", "number", "again")] == [True] * 4
        assert card.called == []


@pytest.mark.parametrize("mode", ERAS)
async def test_a_number_typed_into_the_card_gives_a_code_that_links(tmp_path: Path, mode: Mode) -> None:
    async with linking(tmp_path, mode) as it, drawn(LINK, it.client, tmp_path) as card:
        await card.show_result("link_device", {})
        await it.shown_qr(card)
        await card.tell({"fill": "phone", "value": it.wa.me.pn.number})
        await card.tell({"click": "ask"})
        seen = await card.until(lambda seen: not seen["type"]["hidden"])
        assert card.called == [("link_device", {"phone": it.wa.me.pn.number})]
        await it.wa.me.enter_code(seen["typed"]["text"])
        await card.until(lambda seen: seen["outcome"]["text"].startswith("Linked as"))


@pytest.mark.parametrize(
    ("fault", "reason"), [("wrong_adv", "could not be verified"), ("ask_for_passkey", "passkey")]
)
async def test_why_linking_failed_is_on_the_card_and_its_button_asks_for_a_new_code(
    tmp_path: Path, fault: str, reason: str
) -> None:
    async with linking(tmp_path, "auto") as it, drawn(LINK, it.client, tmp_path) as card:
        await card.show_result("link_device", {})
        text = await it.shown_qr(card)
        getattr(it.wa, fault)()
        with pytest.raises(LinkingError):
            await it.wa.me.scan(text)
        seen = await card.until(lambda seen: reason in seen["outcome"]["text"])
        assert (seen["again"]["hidden"], seen["outcome"]["kind"]) == (False, "bad")
        it.wa.recover()
        await card.tell({"click": "again"})
        await it.wa.me.scan(await it.shown_qr(card))
        await card.until(lambda seen: seen["outcome"]["text"].startswith("Linked as"))


async def test_the_card_follows_the_account_that_it_was_drawn_for(
    source: FakeSource, waiting: FakeDevice, tmp_path: Path
) -> None:
    other = replace(source, device=FakeDevice(), account="work")
    application = create(Accounts.of(source, other), "core")
    async with Client(application, extensions=[APPS]) as client, drawn(LINK, client, tmp_path) as card:
        await card.show_result("link_device", {"account": "default"})
        seen = await card.until(lambda seen: not seen["scan"]["hidden"])
        await card.tell({"fill": "phone", "value": "+15550001111"})
        await card.tell({"click": "ask"})
        await card.until(lambda _: bool(card.called))

    assert seen["qr"]["src"] == f"data:image/png;base64,{qr_png('2@one')}"
    assert card.called == [("link_device", {"account": "default", "phone": "+15550001111"})]


async def test_a_client_that_is_too_old_is_told_on_the_card(tmp_path: Path) -> None:
    async with linking(tmp_path, "auto") as it, drawn(LINK, it.client, tmp_path) as card:
        it.wa.failure(405)
        await card.show_result("link_device", {})
        await card.until(lambda seen: "no longer accepts" in seen["outcome"]["text"])


@pytest.fixture
def waiting(device: FakeDevice) -> FakeDevice:
    """A device that shows a QR."""
    device.state, device.number = ConnectionState.LINKING, None
    device.shown = QrCode("2@one", NOON)
    return device


async def state_of(client: Client) -> dict[str, Any]:
    (content,) = (await client.read_resource("whatsapp://link")).contents
    return json.loads(content.model_dump()["text"])


async def test_the_next_qr_replaces_the_one_before(
    source: FakeSource, waiting: FakeDevice, tmp_path: Path
) -> None:
    async with (
        Client(create(source, "core"), extensions=[APPS]) as client,
        drawn(LINK, client, tmp_path) as card,
    ):
        for text in ("2@one", "2@two"):
            waiting.shown = QrCode(text, NOON)
            picture = f"data:image/png;base64,{qr_png(text)}"
            await card.until(lambda seen, picture=picture: seen["qr"]["src"] == picture)
        assert base64.b64decode(picture.partition(",")[2]).startswith(b"\x89PNG")


async def test_a_host_that_reads_nothing_for_cards_shows_the_qr_of_the_answer(
    source: FakeSource, waiting: FakeDevice, tmp_path: Path
) -> None:
    waiting.state = ConnectionState.UNLINKED
    async with (
        Client(create(source, "core"), extensions=[APPS]) as client,
        drawn(LINK, client, tmp_path, offers={}) as card,
    ):
        await card.show_result("link_device", {})
        seen = await card.until(lambda seen: not seen["scan"]["hidden"])
        assert seen["qr"]["src"] == f"data:image/png;base64,{qr_png('2@text')}"
        assert seen["number"]["hidden"]


async def test_looking_at_the_card_begins_no_linking(
    source: FakeSource, waiting: FakeDevice, tmp_path: Path
) -> None:
    waiting.state = ConnectionState.UNLINKED
    async with Client(create(source, "core")) as client:
        assert (await state_of(client))["state"] == "unlinked"
    assert waiting.asked == []


async def test_what_the_card_reads_is_under_the_policy_of_the_tool(source: FakeSource) -> None:
    source.policy = Policy(PolicySettings(tools_off=("link_device",)))
    async with Client(create(source, "core")) as client:
        with pytest.raises(MCPError, match="DENIED"):
            await state_of(client)


async def test_no_application_is_told_of_what_only_the_card_reads(source: FakeSource) -> None:
    async with Client(create(source, "all")) as client:
        listed = [each.uri_template for each in (await client.list_resource_templates()).resource_templates]
        assert "whatsapp://link" not in [
            *listed,
            *(each.uri for each in (await client.list_resources()).resources),
        ]


async def test_messages_are_counted_while_the_history_comes(
    source: FakeSource, device: FakeDevice, archive: Archive, tmp_path: Path
) -> None:
    device.history = 40
    async with (
        Client(create(source, "core"), extensions=[APPS]) as client,
        drawn(LINK, client, tmp_path) as card,
    ):
        seen = await card.until(lambda seen: seen["outcome"]["text"].startswith("Linked as"))
        assert seen["outcome"]["text"] == (
            "Linked as Me, +15550001111. The history is coming: 5 messages so far."
        )
        assert (seen["history"]["hidden"], seen["history"]["value"]) == (False, 40)
        device.history = None
        seen = await card.until(lambda seen: seen["history"]["hidden"])
        assert seen["outcome"]["text"].endswith("5 messages in the archive.")
