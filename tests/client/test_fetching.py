"""How long a client process stays for the address book."""

from __future__ import annotations

import pytest

from whatsapp_mcp.client.fetching import Fetching
from whatsapp_mcp.client.protocol import FETCH_LIMIT, EventCode
from whatsapp_mcp.protobufs import E2E, Neonize

pytestmark = pytest.mark.anyio


def message(category: str, protocol: E2E.ProtocolMessage) -> bytes:
    whole = Neonize.Message(Message=E2E.Message(protocolMessage=protocol))
    whole.Info.Category = category
    return whole.SerializePartialToString()


KEY = E2E.ProtocolMessage(appStateSyncKeyShare=E2E.AppStateSyncKeyShare(keys=[E2E.AppStateSyncKey()]))
SHARED = message("peer", KEY)


class Subject:
    """A library that has names from the time at which a test says so."""

    def __init__(self) -> None:
        self.now = 100.0
        self.named = False
        self.asked = 0
        self.fetching = Fetching(self._has_names, lambda: self.now)

    async def _has_names(self) -> bool:
        self.asked += 1
        return self.named


@pytest.mark.parametrize(
    ("code", "payload"),
    [
        (EventCode.MESSAGE, message("peer", E2E.ProtocolMessage())),
        (EventCode.MESSAGE, message("", KEY)),
        (EventCode.RECEIPT, SHARED),
    ],
    ids=["something else of the phone", "a message of a person", "no message"],
)
async def test_nothing_else_begins_it(code: int, payload: bytes) -> None:
    subject = Subject()
    subject.fetching.hear(code, payload)
    assert subject.fetching.seconds_left == 0
    await subject.fetching.finish()
    assert subject.asked == 0


async def test_it_is_over_when_the_names_are_there() -> None:
    subject = Subject()
    subject.fetching.hear(EventCode.MESSAGE, SHARED)
    assert subject.fetching.seconds_left == FETCH_LIMIT
    subject.named = True
    await subject.fetching.finish()
    assert subject.fetching.seconds_left == 0


async def test_it_is_over_when_the_companion_is_logged_out() -> None:
    subject = Subject()
    subject.fetching.hear(EventCode.MESSAGE, SHARED)
    subject.fetching.hear(EventCode.LOGGED_OUT, b"")
    assert subject.fetching.seconds_left == 0


async def test_names_that_never_come_are_waited_for_no_longer_than_the_limit() -> None:
    subject = Subject()
    subject.fetching.hear(EventCode.MESSAGE, SHARED)
    subject.now += FETCH_LIMIT
    await subject.fetching.finish()
    assert subject.asked == 0
