"""JSON-RPC between processes: framing, errors, deadlines, cancellation, closing."""

import json
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.abc import ByteReceiveStream, ByteSendStream
from hypothesis import given
from hypothesis import strategies as st

from tests.tables import for_each
from whatsapp_mcp.errors import (
    AmbiguousChat,
    Busy,
    Candidate,
    DeadlineExceeded,
    InvalidArgument,
    NotConnected,
    TooLong,
    Unsupported,
    WhatsAppError,
)
from whatsapp_mcp.processes.frames import LineBuffer
from whatsapp_mcp.processes.rpc import CANCEL, Handler, NotificationHandler, Params, Peer, by_name

pytestmark = pytest.mark.anyio

DEADLINE = 5.0


class Receiver(ByteReceiveStream):
    def __init__(self, stream: anyio.abc.ObjectReceiveStream[bytes]) -> None:
        self._stream = stream

    async def receive(self, max_bytes: int = 65536) -> bytes:
        return await self._stream.receive()

    async def aclose(self) -> None:
        await self._stream.aclose()


class Sender(ByteSendStream):
    def __init__(self, stream: anyio.abc.ObjectSendStream[bytes]) -> None:
        self._stream = stream

    async def send(self, item: bytes) -> None:
        await self._stream.send(item)

    async def aclose(self) -> None:
        await self._stream.aclose()


def pipe(room: int = 16) -> tuple[Sender, Receiver]:
    send, receive = anyio.create_memory_object_stream[bytes](room)
    return Sender(send), Receiver(receive)


class Wire:
    """The other end of a peer, frame by frame."""

    def __init__(self, send: Sender, receive: Receiver) -> None:
        self.stream, self._receive = send, receive
        self._buffer = LineBuffer(1 << 30)
        self._lines: list[bytes | None] = []

    async def send(self, message: Any) -> None:
        await self.stream.send(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    async def receive(self) -> dict[str, Any]:
        while not self._lines:
            self._lines = self._buffer.feed(await self._receive.receive())
        line = self._lines.pop(0)
        assert line is not None
        return json.loads(line)

    async def close(self) -> None:
        await self.stream.aclose()
        await self._receive.aclose()


@asynccontextmanager
async def peer_and_wire(*args: Any, room: int = 16, **options: Any) -> AsyncGenerator[tuple[Peer, Wire]]:
    there, here_in = pipe(room)
    here, there_in = pipe(room)
    with anyio.fail_after(DEADLINE):
        wire = Wire(there, there_in)
        try:
            async with Peer(here_in, here, *args, **options) as peer:
                yield peer, wire
        finally:
            await wire.close()


@asynccontextmanager
async def two_peers(
    on_call: Handler | None = None, on_notification: NotificationHandler | None = None, **options: Any
) -> AsyncGenerator[tuple[Peer, Peer]]:
    """Two connected peers; the handlers are the second one's."""
    handlers: dict[str, Any] = {}
    if on_call:
        handlers["on_call"] = on_call
    if on_notification:
        handlers["on_notification"] = on_notification
    left_send, right_receive = pipe()
    right_send, left_receive = pipe()
    with anyio.fail_after(DEADLINE):
        async with (
            Peer(left_receive, left_send) as left,
            Peer(right_receive, right_send, **handlers, **options) as right,
        ):
            yield left, right


async def echo(method: str, params: Params) -> Any:
    return {"method": method, **params}


async def sleep_for_ever(method: str, params: Params) -> Any:
    await anyio.sleep_forever()


def failing(error: BaseException) -> Handler:
    async def fail(method: str, params: Params) -> Any:
        raise error

    return fail


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.lists(json_values, max_size=6), st.data())
def test_frames_survive_being_cut_anywhere(values: list[Any], data: st.DataObject) -> None:
    stream = b"".join(json.dumps(value).encode() + b"\n" for value in values)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    buffer = LineBuffer(1 << 20)
    lines: list[bytes | None] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        lines += buffer.feed(stream[start:end])
    assert [json.loads(line or b"") for line in lines] == values


@given(st.lists(st.integers(1, 40), max_size=12), st.integers(1, 9))
def test_only_lines_over_the_limit_are_left_out(sizes: list[int], step: int) -> None:
    limit = 20
    stream = b"".join(b"x" * size + b"\n" for size in sizes)
    buffer = LineBuffer(limit)
    lines = [
        line for start in range(0, len(stream), step) for line in buffer.feed(stream[start : start + step])
    ]
    assert lines == [b"x" * size if size + 1 <= limit else None for size in sizes]


async def test_a_call_is_answered_with_the_handlers_result() -> None:
    async with two_peers(echo) as (left, _):
        assert await left.call("say", {"text": "hé\n\ud83d"}, deadline=DEADLINE) == {
            "method": "say",
            "text": "hé\n\ud83d",
        }


async def test_calls_of_both_sides_run_side_by_side() -> None:
    async with two_peers(echo) as (left, right):
        results: list[int] = []

        async def one(number: int) -> None:
            results.append((await left.call("n", {"number": number}, deadline=DEADLINE))["number"])

        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(one, number)
        assert sorted(results) == list(range(100))
        with pytest.raises(Unsupported):
            await right.call("n", deadline=DEADLINE)


async def test_an_error_arrives_as_the_class_that_was_raised() -> None:
    raised = AmbiguousChat(
        "Two Annas.", candidates=[Candidate("Anna A"), Candidate("Anna B", argument="chat")], retry_after=2.5
    )
    async with two_peers(failing(raised)) as (left, _):
        with pytest.raises(AmbiguousChat) as caught:
            await left.call("find", deadline=DEADLINE)
    assert caught.value.to_payload() == raised.to_payload()


async def test_an_unexpected_exception_is_answered_without_its_text_and_the_peer_lives() -> None:
    async with two_peers(failing(ZeroDivisionError("secret"))) as (left, right):
        for _ in range(2):
            with pytest.raises(Busy) as caught:
                await left.call("divide", deadline=DEADLINE)
            assert "secret" not in str(caught.value)
        assert not right.closed


async def test_an_unknown_method_is_unsupported() -> None:
    async with two_peers(by_name({"known": lambda params: echo("known", params)})) as (left, _):
        assert await left.call("known", {"a": 1}, deadline=DEADLINE) == {"method": "known", "a": 1}
        with pytest.raises(Unsupported, match="unknown"):
            await left.call("unknown", deadline=DEADLINE)


async def test_a_result_that_is_not_json_is_an_error_not_a_hang() -> None:
    async def handler(method: str, params: Params) -> Any:
        return object()

    async with two_peers(handler) as (left, _):
        with pytest.raises(Busy):
            await left.call("thing", deadline=DEADLINE)


def cancelled_when(event: anyio.Event) -> Handler:
    async def handler(method: str, params: Params) -> Any:
        try:
            await anyio.sleep_forever()
        finally:
            event.set()

    return handler


async def test_a_deadline_ends_the_call_on_both_sides() -> None:
    stopped = anyio.Event()
    async with two_peers(cancelled_when(stopped)) as (left, _):
        with pytest.raises(DeadlineExceeded, match="slow"):
            await left.call("slow", deadline=0.01)
        await stopped.wait()


async def test_a_cancelled_call_is_cancelled_on_the_other_side() -> None:
    started, stopped = anyio.Event(), anyio.Event()

    async def handler(method: str, params: Params) -> Any:
        started.set()
        return await cancelled_when(stopped)(method, params)

    async with two_peers(handler) as (left, _), anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: left.call("slow", deadline=DEADLINE))
        await started.wait()
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await stopped.wait()


async def test_a_late_answer_to_an_abandoned_call_is_ignored() -> None:
    async with peer_and_wire() as (peer, wire):
        with pytest.raises(DeadlineExceeded):
            await peer.call("slow", deadline=0.01)
        call = await wire.receive()
        assert await wire.receive() == {"jsonrpc": "2.0", "method": CANCEL, "params": {"id": call["id"]}}
        await wire.send({"id": call["id"], "result": 1})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: answer(wire, 2))
            assert await peer.call("fast", deadline=DEADLINE) == 2


async def answer(wire: Wire, result: Any) -> None:
    await wire.send({"id": (await wire.receive())["id"], "result": result})


@pytest.mark.parametrize("ending", ["close", "leave"])
async def test_closing_fails_every_pending_call_at_once(ending: str) -> None:
    errors: list[WhatsAppError] = []

    async def call(peer: Peer) -> None:
        with pytest.raises(NotConnected) as caught:
            await peer.call("slow", deadline=60)
        errors.append(caught.value)

    async with anyio.create_task_group() as tasks, peer_and_wire() as (peer, wire):
        for _ in range(3):
            tasks.start_soon(call, peer)
        for _ in range(3):
            await wire.receive()
        if ending == "close":
            await wire.close()
            await peer.wait_closed()
    assert len(errors) == 3


async def test_a_call_after_closing_fails_at_once() -> None:
    async with peer_and_wire() as (peer, wire):
        await wire.close()
        await peer.wait_closed()
        for attempt in (peer.call("any", deadline=60), peer.notify("any")):
            with pytest.raises(NotConnected):
                await attempt


async def test_closing_cancels_the_calls_that_run_for_the_other_side() -> None:
    stopped = anyio.Event()
    async with peer_and_wire(cancelled_when(stopped)) as (_, wire):
        await wire.send({"id": 1, "method": "slow"})
        await wire.close()
        await stopped.wait()


async def test_notifications_are_handled_one_at_a_time_in_order() -> None:
    seen: list[int] = []
    done = anyio.Event()

    async def handler(method: str, params: Params) -> None:
        await anyio.lowlevel.checkpoint()
        seen.append(params["number"])
        if params["number"] == 199:
            done.set()

    async with two_peers(on_notification=handler) as (left, _):
        for number in range(200):
            await left.notify("n", {"number": number})
        await done.wait()
    assert seen == list(range(200))


async def test_a_failing_notification_handler_does_not_stop_the_next() -> None:
    done = anyio.Event()

    async def handler(method: str, params: Params) -> None:
        if method == "bad":
            raise ValueError
        done.set()

    async with two_peers(on_notification=handler) as (left, _):
        await left.notify("bad")
        await left.notify("good")
        await done.wait()


async def test_what_is_too_long_fails_where_it_is_made_and_the_connection_survives() -> None:
    async def long(method: str, params: Params) -> Any:
        return "x" * params["size"]

    async with two_peers(long, frame_limit=1000) as (left, right):
        with pytest.raises(TooLong):
            await left.call("make", {"size": 1000}, deadline=DEADLINE)
        with pytest.raises(TooLong):
            await right.notify("note", {"text": "x" * 1000})
        assert await left.call("make", {"size": 10}, deadline=DEADLINE) == "x" * 10


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("[" * 3000 + "]" * 3000, "nested too deep"),
        ("9" * 20_000, "a number with too many digits"),
        ('"cut', "not JSON"),
    ],
)
async def test_a_call_that_cannot_be_read_is_refused_with_the_reason(value: str, reason: str) -> None:
    async with peer_and_wire(echo) as (_, wire):
        await wire.stream.send(f'{{"id":7,"method":"say","params":{{"value":{value}}}}}\n'.encode())
        answer = await wire.receive()
        assert (answer["id"], answer["error"]) == (7, {"code": -32700, "message": reason})


async def test_a_call_that_cannot_be_written_fails_where_it_is_made() -> None:
    deep: list[Any] = []
    for _ in range(3000):
        deep = [deep]
    async with peer_and_wire(echo) as (peer, _):
        for value in (deep, 10**20_000):
            with pytest.raises(InvalidArgument, match="cannot be sent"):
                await peer.call("say", {"value": value}, deadline=DEADLINE)


@for_each(
    ("line", "code"),
    [
        (b"x" * 2000, -32600),
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b"[" * 900, -32700),
        (b"[]", -32600),
        (b"7", -32600),
        (b'{"jsonrpc":"2.0"}', -32600),
        (b'{"jsonrpc":"2.0","id":[1],"method":"x"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"x","params":[1]}', -32600),
    ],
)
async def test_a_bad_frame_is_refused_and_the_next_one_is_answered(line: bytes, code: int) -> None:
    async with peer_and_wire(echo, frame_limit=1000) as (_, wire):
        await wire.stream.send(line + b"\n")
        assert (await wire.receive())["error"]["code"] == code
        await wire.send({"id": "good", "method": "say"})
        assert await wire.receive() == {"jsonrpc": "2.0", "id": "good", "result": {"method": "say"}}


@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
async def test_nothing_that_is_sent_stops_a_peer(sent: bytes) -> None:
    async with peer_and_wire(echo) as (peer, wire):
        await wire.stream.send(sent + b"\n")
        await wire.send({"id": "last", "method": "say"})
        while (await wire.receive())["id"] != "last":
            pass
        assert not peer.closed


@pytest.mark.parametrize(
    "error",
    [
        {},
        {"code": "x", "message": None, "data": {"code": 7, "candidates": 5, "retry_after": "soon"}},
        {"code": -32000, "message": "m", "data": [1]},
    ],
)
async def test_an_error_of_any_form_fails_the_call(error: Params) -> None:
    async with peer_and_wire() as (peer, wire), anyio.create_task_group() as tasks:

        async def refuse() -> None:
            await wire.send({"id": (await wire.receive())["id"], "error": error})

        tasks.start_soon(refuse)
        with pytest.raises(WhatsAppError):
            await peer.call("any", deadline=DEADLINE)


async def test_a_refused_call_is_an_argument_error() -> None:
    async with peer_and_wire() as (peer, wire), anyio.create_task_group() as tasks:

        async def refuse() -> None:
            call = await wire.receive()
            await wire.send({"id": call["id"], "error": {"code": -32600, "message": "no"}})

        tasks.start_soon(refuse)
        with pytest.raises(InvalidArgument):
            await peer.call("any", deadline=DEADLINE)


async def test_too_many_calls_at_once_are_answered_busy() -> None:
    async with two_peers(sleep_for_ever, calls_at_once=2) as (left, _), anyio.create_task_group() as tasks:

        async def call(deadline: float) -> None:
            with pytest.raises((DeadlineExceeded, Busy)):
                await left.call("slow", deadline=deadline)

        for _ in range(2):
            tasks.start_soon(call, 0.2)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(Busy):
            await left.call("slow", deadline=DEADLINE)


async def test_a_reader_that_has_stopped_does_not_block_for_ever() -> None:
    async with peer_and_wire(room=0) as (peer, _):

        async def fill() -> None:
            while True:
                await peer.notify("note", deadline=0.01)

        with pytest.raises(DeadlineExceeded):
            await fill()
        with pytest.raises(DeadlineExceeded):
            await peer.call("any", deadline=0.01)


@pytest.mark.parametrize("make", [lambda: ValueError("mine"), lambda: NotConnected("mine")])
async def test_an_exception_of_the_body_leaves_as_itself(make: Callable[[], Exception]) -> None:
    async def body() -> None:
        async with two_peers(sleep_for_ever) as (left, _):
            with pytest.raises(DeadlineExceeded):
                await left.call("slow", deadline=0.01)
            raise make()

    with pytest.raises(type(make()), match="mine"):
        await body()


async def test_cancelling_the_owner_ends_the_peer() -> None:
    with anyio.move_on_after(0.05) as scope:
        async with two_peers(sleep_for_ever) as (left, _):
            await left.call("slow", deadline=60)
    assert scope.cancelled_caught


async def test_it_runs_over_the_pipes_of_a_process() -> None:
    script = (
        "import sys, json\n"
        "for line in sys.stdin:\n"
        "    call = json.loads(line)\n"
        "    print(json.dumps({'jsonrpc': '2.0', 'id': call['id'], 'result': call['params']}), flush=True)\n"
    )
    with anyio.fail_after(30):
        async with await anyio.open_process([sys.executable, "-c", script], stderr=None) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            async with Peer(process.stdout, process.stdin) as peer:
                big = "x" * 300_000
                assert await peer.call("echo", {"text": big}, deadline=20) == {"text": big}
                process.kill()
                with pytest.raises(NotConnected):
                    await peer.call("echo", deadline=20)
