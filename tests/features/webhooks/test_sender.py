"""One attempt at a real HTTP server on loopback: what counts as taken, refused and not there."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import anyio
import pytest

from tests.features.webhooks.receiver import KEY, Receiver, receiving
from tests.tables import for_each
from whatsapp_mcp.features.webhooks import sender
from whatsapp_mcp.features.webhooks.sender import Event, Failure, open_sender
from whatsapp_mcp.features.webhooks.settings import WebhookSettings

pytestmark = pytest.mark.anyio
AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
EVENT = Event("msg_1", '{"type":"message","text":"Grüße"}'.encode())


def webhook(url: str, *, private: bool = True) -> WebhookSettings:
    return WebhookSettings(name="n8n", url=url, secrets=("env:X",), private_network=private)


async def posted(url: str, keys: tuple[bytes, ...] = (KEY,)) -> Failure | None:
    async with open_sender(webhook(url), keys, lambda: AT) as opened:
        return await opened.post(EVENT)


async def test_an_event_is_posted_signed_and_whole() -> None:
    other = b"another secret of the same"
    with receiving() as receiver:
        assert await posted(receiver.url, (KEY, other)) is None
    [request] = receiver.requests
    assert (request.path, request.body, request.id) == ("/webhook/whatsapp", EVENT.body, "msg_1")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-timestamp"] == str(int(AT.timestamp()))
    assert request.is_signed_with(KEY)
    assert request.is_signed_with(other)
    assert not request.is_signed_with(b"x" * 24)


@for_each("status, refused",
    [(301, True), (400, True), (404, True), (410, True), (500, True),
     (408, False), (425, False), (429, False), (502, False), (503, False), (504, False)],
)  # fmt: skip
async def test_every_other_answer_is_a_failure(status: int, refused: bool) -> None:
    with receiving(Receiver(lambda _: status)) as receiver:
        failure = await posted(receiver.url)
    assert failure is not None
    assert failure.refused is refused
    assert str(status) in failure.reason


async def test_a_redirect_is_not_followed() -> None:
    with receiving() as target, receiving(Receiver(lambda _: 307, {"Location": target.url})) as receiver:
        assert await posted(receiver.url) is not None
    assert target.requests == []


@for_each(
    "said, pause",
    [("120", 120.0), ("99999999", 3600.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None)],
)
async def test_a_receiver_can_ask_for_a_pause(said: str, pause: float | None) -> None:
    with receiving(Receiver(lambda _: 503, {"Retry-After": said})) as receiver:
        failure = await posted(receiver.url)
    assert failure is not None
    assert failure.retry_after == pause


async def test_a_receiver_that_hangs_up_or_is_not_there_has_refused_nothing() -> None:
    with receiving(Receiver(lambda _: None)) as receiver:
        hung_up = await posted(receiver.url)
    gone = await posted(receiver.url)
    assert hung_up is not None
    assert gone is not None
    assert (hung_up.refused, gone.refused) == (False, False)


async def test_no_answer_is_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "LIMIT", 0.2)
    released = threading.Event()

    def late(_: object) -> int:
        released.wait(10)
        return 204

    with receiving(Receiver(late)) as receiver:
        with anyio.fail_after(30):
            failure = await posted(receiver.url)
        released.set()
    assert failure is not None
    assert not failure.refused


async def test_a_private_address_is_not_asked_unless_the_settings_allow_it() -> None:
    with receiving() as receiver:
        secure = receiver.url.replace("http:", "https:").replace("127.0.0.1", "127.0.0.1.nip.invalid")
        named = WebhookSettings.model_construct(
            name="n8n", url=receiver.url, secrets=(), private_network=False
        )
        async with open_sender(named, (KEY,), lambda: AT) as opened:
            failure = await opened.post(EVENT)
        async with open_sender(webhook(secure, private=False), (KEY,), lambda: AT) as opened:
            unknown = await opened.post(EVENT)
    assert receiver.requests == []
    assert failure is not None
    assert "not on the public internet" in failure.reason
    assert unknown is not None


async def test_one_connection_serves_many_events() -> None:
    connections: set[str] = set()
    with receiving() as receiver:
        receiver.answer = lambda request: connections.add(request.headers["host"]) or 204
        async with open_sender(webhook(receiver.url), (KEY,), lambda: AT) as opened:
            for number in range(5):
                assert await opened.post(Event(f"msg_{number}", b"{}")) is None
    assert receiver.ids == [f"msg_{number}" for number in range(5)]
