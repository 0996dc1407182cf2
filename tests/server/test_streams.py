"""A stream ends when its token is no longer valid."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from whatsapp_mcp.server.transports.guard import CHECK_INTERVAL, CheckedStream

pytestmark = pytest.mark.anyio


@dataclass
class World:
    """What a stream depends on, and what it sent."""

    now: float = 0.0
    valid: bool = True
    sent: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    async def send(self, message: Any) -> None:
        self.sent.append(dict(message))

    async def is_valid(self) -> bool:
        return self.valid

    def stream(self) -> CheckedStream:
        return CheckedStream(self.send, self.is_valid, lambda: self.now)


def event(text: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": text, "more_body": True}


async def test_a_stream_carries_nothing_more_after_its_token_was_revoked() -> None:
    world = World()
    stream = world.stream()
    await stream({"type": "http.response.start", "status": 200, "headers": []})
    await stream(event(b"one"))
    world.valid = False
    world.now += CHECK_INTERVAL
    await stream(event(b"two"))
    await stream(event(b"three"))

    assert [message.get("body") for message in world.sent] == [None, b"one", b""]
    assert world.sent[-1]["more_body"] is False


async def test_a_stream_with_a_valid_token_goes_on() -> None:
    world = World()
    stream = world.stream()
    for _ in range(5):
        await stream(event(b"x"))
        world.now += CHECK_INTERVAL

    assert [message["body"] for message in world.sent] == [b"x"] * 5


async def test_an_answer_in_one_piece_is_sent_whole() -> None:
    world = World(valid=False)
    stream = world.stream()
    await stream({"type": "http.response.start", "status": 200, "headers": []})
    world.now += 60
    await stream({"type": "http.response.body", "body": b"answer"})

    assert world.sent[-1]["body"] == b"answer"
