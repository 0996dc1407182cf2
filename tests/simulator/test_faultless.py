"""The check at the end of every scenario detects each kind of error."""

from __future__ import annotations

import pytest

from tests.simulator.bare_companion import logged_in
from tests.simulator.faultless import CORRUPTED, assert_faultless, settled
from tests.simulator.neonize_client import NeonizeClient
from tests.tables import for_each
from whatsapp_simulator import WhatsApp, login
from whatsapp_simulator.binary import Node

pytestmark = pytest.mark.anyio


async def test_a_malformed_stanza_is_found_in_the_log_of_the_library(
    shared_wa: WhatsApp, shared_client: NeonizeClient, tolerated: list[str]
) -> None:
    ann = shared_wa.person("Ann")
    await ann.says("before")
    await shared_client.message("before")
    begin = len(shared_client.library_log)
    shared_wa.send(Node("message", {"from": ann.lid, "id": "3A00"}))  # without a time
    await ann.says("after")
    await shared_client.message("after")
    await shared_client.flush_log()
    log = shared_client.library_log[begin:]
    with pytest.raises(AssertionError, match="Failed to parse message"):
        assert_faultless(shared_wa, [log])
    tolerated.append("Failed to parse message")
    assert_faultless(shared_wa, [log], tolerated)


async def test_what_cannot_be_decrypted_is_found_on_both_sides(
    shared_wa: WhatsApp, shared_client: NeonizeClient, tolerated: list[str]
) -> None:
    tolerated += CORRUPTED
    ann = shared_wa.person("Ann")
    shared_wa.corrupt(1)
    await ann.says("corrupted")
    await shared_client.message("corrupted")
    await shared_client.flush_log()
    with pytest.raises(AssertionError, match="Error decrypting"):
        assert_faultless(shared_wa, [shared_client.library_log], ["undecryptable"])
    with pytest.raises(AssertionError, match="undecryptable"):
        assert_faultless(shared_wa, [])


async def test_what_a_client_has_not_acknowledged_is_found(
    shared_wa: WhatsApp, shared_client: NeonizeClient, tolerated: list[str]
) -> None:
    tolerated.append("Error reading from websocket")
    shared_wa.lose(1)
    await shared_wa.person("Ann").says("lost")
    with pytest.raises(TimeoutError):
        await settled(shared_wa, timeout=0.1)
    await shared_wa.cut()
    await shared_client.message("lost")
    await settled(shared_wa)


@for_each(
    "stanza, kind",
    [
        (Node("iq", {"id": "1", "xmlns": "w:unheard", "type": "get"}), "unanswered"),
        (Node("iq", {"id": "1", "xmlns": "w:mex", "type": "get"}, [Node("query", {}, "{}")]), "unanswered"),
        (Node("message", {"id": "1"}), "malformed"),
        (Node("unheard", {"id": "1"}), "unknown"),
    ],
)
def test_what_the_servers_cannot_answer_or_read_is_logged(stanza: Node, kind: str) -> None:
    wa = WhatsApp(seed=1)
    client, _ = logged_in(wa)
    assert_faultless(wa, [])
    login.accept(client, stanza)
    with pytest.raises(AssertionError, match=f"^{kind}: "):
        assert_faultless(wa, [])
