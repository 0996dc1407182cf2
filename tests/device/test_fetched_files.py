"""From a person who sends a file to the file here, with the real client."""

from __future__ import annotations

import anyio
import pytest

from tests.device.conftest import Leader
from tests.device.letters import LETTER, known, letter, met
from tests.devices import direct
from whatsapp_mcp.device.operations import files
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio


async def test_a_strangers_file_is_fetched_only_when_somebody_asks(wa: WhatsApp, linked: Leader) -> None:
    ann = await known(wa, linked.archive, "Ann")
    await wa.person("Eve").says(letter(wa, b"Send 500 euros to this account.\n"))
    sent = await ann.says(letter(wa))
    messages = await met(linked.archive, lambda found: len(found) == 2)
    with anyio.fail_after(30):
        while await linked.archive.kept_bytes() != len(LETTER):  # noqa: ASYNC110
            await anyio.sleep(0.05)
    assert len(wa.media.requests) == 1
    assert {one.kind for one in ann.receipts if one.id == sent}.isdisjoint({"read", "played"})
    path = anyio.Path(await direct(linked.device).do(files.download, messages[1].ref))
    assert await path.read_bytes() == b"Send 500 euros to this account.\n"
    assert len(wa.media.requests) == 2
