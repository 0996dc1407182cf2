"""Files are fetched from WhatsApp's servers alone, whatever their senders say of where they lie."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from tests.device.conftest import Leader
from tests.devices import direct
from tests.tables import for_each
from whatsapp_mcp.archive import recording
from whatsapp_mcp.device.operations import files
from whatsapp_mcp.device.outbox.file_messages import forwarded_file
from whatsapp_mcp.errors import MediaUnavailable
from whatsapp_mcp.models import Message
from whatsapp_mcp.protobufs import E2E
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio


async def archived(linked: Leader) -> Message:
    with anyio.fail_after(30):
        while not (page := await linked.archive.messages()).items:  # noqa: ASYNC110
            await anyio.sleep(0.01)
    return page.items[0]


async def test_the_url_that_a_sender_names_is_never_requested(wa: WhatsApp, linked: Leader) -> None:
    visits: list[int] = []
    path = ""

    async def visited(stream: SocketStream) -> None:
        async with stream:
            visits.append(1)

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(SocketAttribute.local_port)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, visited)
            message = wa.media.attach("image", b"not really a picture")
            message.imageMessage.URL = f"http://127.0.0.1:{port}/inside"
            await wa.person("Eve").says(message)
            path = await direct(linked.device).do(files.download, (await archived(linked)).ref)
            tasks.cancel_scope.cancel()
    assert await anyio.Path(path).read_bytes() == b"not really a picture"
    assert visits == []


@pytest.mark.parametrize("recorded", ["/home/before/accounts/default/media/{}", "{}"])
async def test_a_file_is_here_after_the_home_folder_was_moved_and_one_that_was_imported_is(
    wa: WhatsApp, linked: Leader, recorded: str
) -> None:
    await wa.person("Eve").says(wa.media.attach("image", b"not really a picture"))
    ref = (await archived(linked)).ref
    path = anyio.Path(await direct(linked.device).do(files.download, ref))
    await path.write_bytes(b"what lies there")
    await linked.archive.write(recording.record_media_path, ref, recorded.format(path.name))
    assert await direct(linked.device).do(files.download, ref) == str(path)
    assert await path.read_bytes() == b"what lies there"


@for_each(
    "place", ["@127.0.0.1/x?a", ".example.org/x?a", "//example.org/x?a", "/\\example.org/x", "/a b", ""]
)
async def test_a_place_that_would_change_the_server_is_refused(
    wa: WhatsApp, linked: Leader, place: str
) -> None:
    await wa.person("Eve").says(wa.media.attach("image", b"x"))
    message = await archived(linked)
    source = replace(await linked.archive.media_source(message.ref), direct_path=place)
    with pytest.raises(MediaUnavailable):
        forwarded_file(message, source, E2E.ContextInfo())
