"""`network.proxy`, from config.toml to the socket: nothing goes another way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from tests import simulated
from tests.client.client_process import NOWHERE
from tests.device.socks import PASSWORD, dial_directly, dial_through, socks_proxy
from tests.devices import direct
from tests.media.website import page, served
from whatsapp_mcp import settings
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.device.connection.keys import stored_device
from whatsapp_mcp.device.local_device import LocalDevice
from whatsapp_mcp.device.operations import control, sends
from whatsapp_mcp.device.supervise import background_tasks
from whatsapp_mcp.errors import MediaUnavailable, NotConnected
from whatsapp_mcp.media.web import fetch
from whatsapp_mcp.models import ConnectionState, SendRequest, TextContent
from whatsapp_mcp.settings import AccountFolder, CurrentSettings
from whatsapp_simulator import WhatsApp, launcher

pytestmark = pytest.mark.anyio
LIMIT = 30.0


@pytest.fixture
def way_in(wa: WhatsApp, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of WhatsApp's own proxy, which the environment no longer names."""
    for name, value in NOWHERE.items():
        monkeypatch.setenv(name, value)
    others = {name: value for name, value in wa.environment().items() if not name.lower().endswith("_proxy")}
    simulated.use_program(launcher.client_program(others), monkeypatch)
    return wa.environment()["HTTPS_PROXY"]


@asynccontextmanager
async def device_with(folder: AccountFolder, proxy: str) -> AsyncIterator[LocalDevice]:
    """A device of a home folder whose config.toml names this proxy."""
    home = folder.path.parent.parent
    await anyio.Path(home / "config.toml").write_text(f'[network]\nproxy = "{proxy}"\n')
    loaded = CurrentSettings(settings.load(home))
    async with open_archive(folder, write=True) as archive, background_tasks() as tasks:
        device = LocalDevice(folder, loaded, archive, tasks, owner=stored_device(folder.client_db))
        await device.start()
        yield device


async def link(device: LocalDevice, wa: WhatsApp) -> None:
    shown = await direct(device).do(control.link)
    assert shown.qr is not None
    await wa.me.scan(shown.qr.text)
    with anyio.fail_after(LIMIT):
        await device.wait_for(lambda now: now.state is ConnectionState.ONLINE)
    await wa.me.online()


async def test_the_connection_goes_through_an_http_proxy(
    wa: WhatsApp, way_in: str, folder: AccountFolder
) -> None:
    async with device_with(folder, way_in.replace("://", "://traveller:word@")) as device:
        await link(device, wa)


async def test_connection_files_and_previews_go_through_a_socks_proxy(
    wa: WhatsApp, way_in: str, folder: AccountFolder
) -> None:
    to_whatsapp = dial_through(way_in)

    async def dial(target: str) -> anyio.abc.ByteStream:
        return await (dial_directly if target.startswith("127.") else to_whatsapp)(target)

    async with (
        socks_proxy(dial) as (proxy, seen),
        served({"/": page(b"<title>Boats</title>")}) as site,
        device_with(folder, proxy) as device,
    ):
        await link(device, wa)
        picture = folder.media / "boat.bin"
        await anyio.Path(picture).write_bytes(b"picture")
        await device.call("upload", {"path": str(picture), "kind": "image"})
        ann = wa.person("Ann")
        await direct(device).do(
            sends.send, SendRequest(str(ann.pn), TextContent(f"{site}/", link_preview=True), wait=LIMIT)
        )
        assert (await ann.receives()).message.extendedTextMessage.title == "Boats"
        hosts = {target.rpartition(":")[0] for target in seen}
        assert hosts == {"web.whatsapp.com", "media-sim1-1.cdn.whatsapp.net", "127.0.0.1"}


async def test_no_log_and_no_file_holds_the_password_of_a_proxy_that_is_not_there(
    folder: AccountFolder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "whatsapp_mcp")
    async with device_with(folder, f"socks5://traveller:{PASSWORD}@127.0.0.1:1") as device:
        with pytest.raises(NotConnected, match="connection refused") as refused:
            await direct(device).do(control.link)
        status = await direct(device).do(control.status)
    assert PASSWORD not in f"{refused.value}{status}{caplog.text}"
    for path in folder.path.iterdir():
        if path.is_file():
            assert PASSWORD.encode() not in await anyio.Path(path).read_bytes(), path.name


async def test_a_page_is_asked_for_at_the_proxy_by_the_address_that_was_looked_at() -> None:
    async with served({"http://127.0.0.1:1/boat": page(b"here")}) as proxy:
        assert (await fetch("http://127.0.0.1:1/boat", 100, proxy=proxy)).content == b"here"


async def test_a_page_is_not_fetched_past_a_proxy_that_does_not_answer() -> None:
    async with served({"/": page(b"here")}) as site:
        for scheme in ("http", "socks5"):
            with pytest.raises(MediaUnavailable):
                await fetch(f"{site}/", 100, proxy=f"{scheme}://127.0.0.1:1")


def test_a_proxys_password_is_not_shown_with_the_settings(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(f'[network]\nproxy = "http://me:{PASSWORD}@127.0.0.1"\n')
    loaded = settings.load(tmp_path)
    assert loaded.network.proxy_url == f"http://me:{PASSWORD}@127.0.0.1"
    assert PASSWORD not in f"{loaded!r} {loaded} {loaded.model_dump_json()}"
