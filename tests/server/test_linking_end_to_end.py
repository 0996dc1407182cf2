"""Linking as applications without cards or pages do it: by QR as image or file, or by a code to type."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import anyio
import pytest
from mcp import Client

from tests import simulated
from tests.devices import direct
from tests.server.fakes import FakeSource, text_of
from whatsapp_mcp.archive import Archive, open_archive, recording
from whatsapp_mcp.device.local_device import LocalDevice
from whatsapp_mcp.device.operations import control
from whatsapp_mcp.device.supervise import background_tasks
from whatsapp_mcp.models import ConnectionState, LinkState
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.calls import Services
from whatsapp_mcp.server.render import qr_png
from whatsapp_mcp.server.tools import connection
from whatsapp_mcp.settings import CurrentSettings, Settings
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.adv import LinkingError

pytestmark = pytest.mark.anyio

Mode = Literal["auto", "legacy"]
ERAS: tuple[Mode, ...] = ("auto", "legacy")


@dataclass
class Unlinked:
    """A phone, and a server of an account that nobody is linked to."""

    wa: WhatsApp
    device: LocalDevice
    archive: Archive
    client: Client
    told: list[str]

    async def link(self, **arguments: object) -> tuple[str, list[Any]]:
        """What the agent is answered, and the pictures."""

        async def tell(progress: float, total: float | None, message: str | None) -> None:
            assert progress <= (total or 0)
            self.told.append(message or "")

        result = await self.client.call_tool("link_device", arguments, progress_callback=tell)
        return text_of(result.content), [block for block in result.content if block.type == "image"]

    async def scan_once_waited_for(self, qr: str) -> None:
        """Scan as soon as a call has told that it waits: one that came later would begin anew."""
        with anyio.fail_after(30):
            while not self.told:  # noqa: ASYNC110
                await anyio.sleep(0.01)
        await self.wa.me.scan(qr)


@asynccontextmanager
async def unlinked(home: Path, mode: Mode) -> AsyncIterator[Unlinked]:
    folder = Settings(home=home).account_folder()
    folder.create()
    async with WhatsApp() as wa:
        with pytest.MonkeyPatch.context() as patch:
            simulated.use(wa, patch)
            async with open_archive(folder, write=True) as archive, background_tasks() as tasks:
                settings = CurrentSettings(Settings(home=home))
                device = LocalDevice(folder, settings, archive, tasks, owner=None)
                await device.start()
                source = FakeSource(cast("Any", device), archive, home)
                async with Client(create(source, "core"), mode=mode) as client:
                    yield Unlinked(wa, device, archive, client, [])


@pytest.mark.parametrize("mode", ERAS)
async def test_the_qr_as_image_and_as_file_links_and_the_wait_tells_of_each_step(
    tmp_path: Path, mode: Mode
) -> None:
    async with unlinked(tmp_path, mode) as it:
        text, (image,) = await it.link()
        shown = (await direct(it.device).do(control.link_state)).qr
        assert shown is not None
        assert shown.file is not None
        assert image.data == qr_png(shown.text)
        assert f"open and scan {shown.file}" in text
        assert (await anyio.Path(shown.file).read_bytes()).startswith(b"\x89PNG")
        it.told.clear()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(it.scan_once_waited_for, shown.text)
            text, _ = await it.link(wait=30)
            assert "The phone is linked" in text
        assert it.told[-1] == "The phone is linked."
        assert it.told[0].startswith(("Waiting until the phone scans the QR code; valid until", "The phone"))
        assert not await anyio.Path(shown.file).exists()


@pytest.mark.parametrize("mode", ERAS)
async def test_a_code_to_type_follows_the_qr_and_links(tmp_path: Path, mode: Mode) -> None:
    async with unlinked(tmp_path, mode) as it:
        await it.link()
        arguments = {"phone": it.wa.me.pn.number}
        text, images = await it.link(**arguments)
        assert images == []
        code = re.search(r"the code ([A-Z0-9]{4}-[A-Z0-9]{4}) ", text)
        assert code is not None, text
        await it.wa.me.enter_code(code.group(1))
        text, _ = await it.link(**arguments, wait=30)
        assert "inked" in text


@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize(
    ("fault", "reason"), [("wrong_adv", "could not be verified"), ("ask_for_passkey", "passkey")]
)
async def test_whoever_waits_is_told_why_the_phone_was_not_linked(
    tmp_path: Path, mode: Mode, fault: str, reason: str
) -> None:
    async with unlinked(tmp_path, mode) as it:
        await it.link()
        shown = (await direct(it.device).do(control.link_state)).qr
        assert shown is not None
        getattr(it.wa, fault)()

        async def scan() -> None:
            with pytest.raises(LinkingError):
                await it.scan_once_waited_for(shown.text)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(scan)
            text, _ = await it.link(wait=30)
            assert reason in text


@pytest.mark.parametrize("mode", ERAS)
async def test_a_client_that_is_too_old_is_told_to_upgrade(tmp_path: Path, mode: Mode) -> None:
    async with unlinked(tmp_path, mode) as it:
        it.wa.failure(405)
        text, _ = await it.link()
        assert text.startswith("NOT_CONNECTED: WhatsApp no longer accepts this client version. Upgrade")


async def test_the_phone_of_somebody_else_is_named_and_the_way_for_two_people(tmp_path: Path) -> None:
    async with unlinked(tmp_path, "auto") as it:
        await it.archive.write(recording.set_own, "15550009999@s.whatsapp.net", None, "Ada")
        await it.link()
        shown = (await direct(it.device).do(control.link_state)).qr
        assert shown is not None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(it.scan_once_waited_for, shown.text)
            text, _ = await it.link(wait=30)
            whose = f"That phone is {it.wa.me.pn.number}, and the messages here are those of +15550009999."
            assert whose in text
            assert "whatsapp-mcp link --account NAME" in text


@pytest.mark.slow
async def test_new_codes_come_with_the_reason_for_which_the_old_ones_are_worthless(tmp_path: Path) -> None:
    async with unlinked(tmp_path, "auto") as it:
        it.wa.offer_codes(1)
        it.wa.fill_linked_devices()
        await it.link()
        shown = (await direct(it.device).do(control.link_state)).qr
        assert shown is not None
        with pytest.raises(LinkingError, match="four"):
            await it.wa.me.scan(shown.text)
        with anyio.fail_after(90):
            await it.device.wait_for(lambda now: now.state is ConnectionState.UNLINKED)
        text, images = await it.link(wait=50)
        assert "The last attempt failed: The code" in text
        assert "four linked devices" in text
        assert images


async def test_a_phone_that_is_linked_while_the_call_begins_is_its_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with unlinked(tmp_path, "auto") as it:
        await it.link()
        shown = (await direct(it.device).do(control.link_state)).qr
        assert shown is not None
        begin = connection._begin

        async def scanned_first(services: Services, phone: str | None) -> LinkState:
            await it.wa.me.scan(shown.text)
            while (await direct(it.device).do(control.link_state)).state is ConnectionState.LINKING:  # noqa: ASYNC110
                await anyio.sleep(0.01)
            return await begin(services, phone)

        monkeypatch.setattr(connection, "_begin", scanned_first)
        text, _ = await it.link(wait=30)
        assert "The phone is linked" in text
