"""JSON-RPC 2.0 between two processes of ours: one JSON object a line, over any pair of byte streams.

Used on the pipes between the leader and its client process and on the socket between servers. Both sides are
alike: each calls, answers and notifies. What is added to JSON-RPC:

* every call has a deadline, and a call that its caller gives up is cancelled on the other side (`$/cancel`);
* an error carries its `WhatsAppError` in `data`, so that the caller catches the class that was raised;
* a call that is traced names its span in `traceparent`; a side that records nothing answers it with `took`,
  when it began and ended, in nanoseconds since 1970;
* where others may connect, the first call is a greeting, and little else is taken before it (`admission.py`);
* a frame has a size limit: too large a call, result or notification fails on the side that made it.
"""

from __future__ import annotations

import itertools
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, TaskGroup

from whatsapp_mcp.errors import (
    Busy,
    DeadlineExceeded,
    NotConnected,
    Unsupported,
    WhatsAppError,
)
from whatsapp_mcp.processes.frames import (
    FRAME_LIMIT,
    INTERNAL_ERROR,
    INVALID_REQUEST,
    PARSE_ERROR,
    LineBuffer,
    encoded,
    error_body,
    error_of,
    scalar_members,
    why_unreadable,
)
from whatsapp_mcp.processes.tracing import carrier, continued, is_recording, past, traced

CANCEL: Final = "$/cancel"
_OUTGOING_FRAMES = 32
_QUEUED_NOTIFICATIONS = 1024
_NOTIFY_DEADLINE = 30.0

logger = logging.getLogger(__name__)

Params = dict[str, Any]
Handler = Callable[[str, Params], Awaitable[Any]]
"""Answers a call: (method, params) to a JSON-able result. Raises `WhatsAppError`."""
NotificationHandler = Callable[[str, Params], Awaitable[None]]
"""Takes a notification: (method, params). One at a time, in the order of arrival."""


def by_name(handlers: Mapping[str, Callable[[Params], Awaitable[Any]]]) -> Handler:
    """A `Handler` that picks from a table; a method that is not in it answers `Unsupported`."""

    async def handle(method: str, params: Params) -> Any:
        handler = handlers.get(method)
        if handler is None:
            raise Unsupported(
                f"The other side does not know the method {method!r}.",
                "Restart every whatsapp-mcp server, so that all run the same version.",
            )
        return await handler(params)

    return handle


async def _no_calls(method: str, params: Params) -> Any:
    return await by_name({})(method, params)


async def _no_notifications(method: str, params: Params) -> None:
    logger.debug("rpc: notification %s ignored", method)


class NoMessage(Exception):
    """Something came that is no message of the other side; the connection closes."""


@dataclass(slots=True, eq=False)
class _Pending:
    done: anyio.Event = field(default_factory=anyio.Event)
    result: Any = None
    error: WhatsAppError | None = None
    took: tuple[int, int] | None = None


class Peer:
    """One end of a connection; `async with Peer(...) as peer` runs it and closes both streams at the end.

    Args:
        receive: Where the other side's frames come from.
        send: Where ours go.
        on_call: Answers the other side's calls, each in a task of its own; it is cancelled when the caller
            gives up or the connection closes.
        on_notification: Takes the other side's notifications in order. It must not wait for a call to the
            same peer for long: while it does, later notifications queue.
        frame_limit: Largest frame accepted and sent, in bytes.
        incoming_limit: Largest frame accepted, if that is another.
        calls_at_once: How many calls of the other side may be running; more are answered `Busy`.
        errors: Makes the error that a call raises of what the other side has answered.
        strict: Whether the connection closes at the first frame that is no message, and takes nothing after
            it. Where others than processes of ours may connect, what follows is not ours either.

    Attributes:
        fault: Why what came was no message, once it has closed for that; handlers say so by `NoMessage`.
    """

    def __init__(
        self,
        receive: ByteReceiveStream,
        send: ByteSendStream,
        on_call: Handler = _no_calls,
        on_notification: NotificationHandler = _no_notifications,
        *,
        frame_limit: int = FRAME_LIMIT,
        incoming_limit: int | None = None,
        calls_at_once: int = 256,
        errors: Callable[[dict[str, Any]], WhatsAppError] = error_of,
        strict: bool = False,
    ) -> None:
        self._receive = receive
        self._send = send
        self._on_call = on_call
        self._on_notification = on_notification
        self._frame_limit = frame_limit
        self._incoming = LineBuffer(incoming_limit or frame_limit)
        self._calls_at_once = calls_at_once
        self._errors = errors
        self._strict = strict
        self._ids = itertools.count(1)
        self._pending: dict[int, _Pending] = {}
        self._running: dict[int | str, anyio.CancelScope] = {}
        self._closed = anyio.Event()
        self.fault: str | None = None
        self._outgoing, self._frames = anyio.create_memory_object_stream[bytes](_OUTGOING_FRAMES)
        self._notify, self._notifications = anyio.create_memory_object_stream[tuple[str, Params]](
            _QUEUED_NOTIFICATIONS
        )
        self._tasks: TaskGroup

    async def __aenter__(self) -> Self:
        self._tasks = await anyio.create_task_group().__aenter__()
        self._tasks.start_soon(self._read)
        self._tasks.start_soon(self._write)
        self._tasks.start_soon(self._take_notifications)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        self._tasks.cancel_scope.cancel()
        try:
            # Without the body's exception: it leaves as itself, not within an exception group.
            await self._tasks.__aexit__(None, None, None)
        finally:
            self._notifications.close()
            await anyio.aclose_forcefully(self._send)
            await anyio.aclose_forcefully(self._receive)

    @property
    def closed(self) -> bool:
        """True if the connection is gone; it never comes back."""
        return self._closed.is_set()

    def allow_frames(self, limit: int) -> None:
        """Accept and send frames of up to `limit` bytes from now on."""
        self._frame_limit = self._incoming.limit = limit

    async def wait_closed(self) -> None:
        """Return when the connection is gone."""
        await self._closed.wait()

    async def call(self, method: str, params: Params | None = None, *, deadline: float) -> Any:
        """Call the other side and return its result.

        Args:
            method: What to do.
            params: By name, JSON-able.
            deadline: Seconds for the whole of it.

        Raises:
            DeadlineExceeded: No answer in time; the other side is told to stop.
            NotConnected: The connection is closed, or closes before the answer.
            TooLong: The frame would be over the limit.
            WhatsAppError: What the other side raised, as the same class.
        """
        with traced(f"call {method}"):
            return await self._call(method, params, deadline)

    async def _call(self, method: str, params: Params | None, deadline: float) -> Any:
        call_id = next(self._ids)
        span = carrier()
        named = {"traceparent": span} if span else {}
        frame = self._frame({"id": call_id, "method": method, "params": params or {}, **named})
        pending = self._pending[call_id] = _Pending()
        try:
            with anyio.move_on_after(deadline):
                await self._put(frame)
                await pending.done.wait()
        finally:
            del self._pending[call_id]
            if not pending.done.is_set() and not self.closed:
                self._tasks.start_soon(self._forward_cancel, call_id)
        if pending.took is not None:
            past(f"answer {method}", *pending.took)
        if pending.error is not None:
            raise pending.error
        if not pending.done.is_set():
            raise DeadlineExceeded(f"{method} was not answered within {deadline:g} seconds.")
        return pending.result

    async def notify(
        self, method: str, params: Params | None = None, *, deadline: float = _NOTIFY_DEADLINE
    ) -> None:
        """Send a notification; returns when it is queued for writing.

        Raises:
            DeadlineExceeded: The other side has not read for `deadline` seconds.
            NotConnected: The connection is closed.
            TooLong: The frame would be over the limit.
        """
        frame = self._frame({"method": method, "params": params or {}})
        with anyio.move_on_after(deadline) as scope:
            await self._put(frame)
        if scope.cancelled_caught:
            raise DeadlineExceeded(f"The other side does not read: {method} could not be written.")

    def _frame(self, message: dict[str, Any]) -> bytes:
        return encoded(message, self._frame_limit)

    async def _put(self, frame: bytes) -> None:
        try:
            await self._outgoing.send(frame)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise _closed() from None

    async def _forward_cancel(self, call_id: int) -> None:
        try:
            await self.notify(CANCEL, {"id": call_id})
        except (NotConnected, DeadlineExceeded):
            logger.debug("rpc: call %d could not be cancelled", call_id)

    def _close(self) -> None:
        """Fail what waits and stop what runs; frames not yet written are dropped."""
        self._closed.set()
        self._outgoing.close()
        self._frames.close()
        self._notify.close()
        for pending in self._pending.values():
            if not pending.done.is_set():
                pending.error = _closed()
                pending.done.set()
        for scope in self._running.values():
            scope.cancel()

    async def _write(self) -> None:
        try:
            async for frame in self._frames:
                await self._send.send(frame)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            logger.debug("rpc: the connection can no longer be written")
        finally:
            self._close()

    async def _read(self) -> None:
        try:
            while True:
                for line in self._incoming.feed(await self._receive.receive()):
                    await self._take(line)
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            logger.debug("rpc: the connection can no longer be read")
        except NotConnected:
            logger.debug("rpc: the connection closed while it was read")
        except NoMessage as error:
            self._end(error)
        finally:
            self._close()

    def _end(self, error: NoMessage) -> None:
        self.fault = str(error)
        logger.info("rpc: the connection is closed: what came is no message: %s", self.fault)
        self._close()

    async def _take(self, line: bytes | None) -> None:
        """Handle one frame; None stands for one that was over the limit."""
        if line is None:
            await self._take_unreadable(None, INVALID_REQUEST, f"frame over {self._incoming.limit} bytes")
            return
        try:
            message = json.loads(line)
        except (ValueError, RecursionError) as error:
            if self._strict:
                raise NoMessage(why_unreadable(error)) from None
            members = scalar_members(line.decode(errors="replace"))
            call_id = members.get("id") if "method" in members else None
            await self._take_unreadable(call_id, PARSE_ERROR, why_unreadable(error))
            return
        match message:
            case {"method": str(method), "id": int() | str() as call_id}:
                await self._take_call(call_id, method, message.get("params"), message.get("traceparent"))
            case {"method": str(method)} if "id" not in message:
                await self._take_notification(method, message.get("params"))
            case {"id": int(call_id), "result": result}:
                self._settle(call_id, result, None, message.get("took"))
            case {"id": int(call_id), "error": dict(error)}:
                self._settle(call_id, None, self._errors(error), message.get("took"))
            case {"id": None, "error": dict()}:
                logger.error("rpc: the other side refused a frame")
            case _:
                await self._take_unreadable(None, INVALID_REQUEST, "not a JSON-RPC message")

    async def _take_unreadable(self, call_id: int | str | None, code: int, message: str) -> None:
        if self._strict:
            raise NoMessage(message)
        await self._refuse(call_id, code, message)

    def _settle(self, call_id: int, result: Any, error: WhatsAppError | None, took: Any) -> None:
        pending = self._pending.get(call_id)
        if pending is not None and not pending.done.is_set():
            match took:
                case [int(begun), int(ended)]:
                    pending.took = begun, ended
                case _:
                    pass
            pending.result, pending.error = result, error
            pending.done.set()

    async def _take_notification(self, method: str, params: Any) -> None:
        params = params if isinstance(params, dict) else {}
        if method == CANCEL:
            call_id = params.get("id")
            if isinstance(call_id, int | str) and (scope := self._running.get(call_id)):
                scope.cancel()
        elif not self.closed:
            await self._notify.send((method, params))

    async def _take_notifications(self) -> None:
        async for method, params in self._notifications:
            try:
                await self._on_notification(method, params)
            except NoMessage as error:
                self._end(error)
                return
            except Exception:
                logger.exception("rpc: notification %s failed", method)

    async def _take_call(self, call_id: int | str, method: str, params: Any, span: Any) -> None:
        if params is None:
            params = {}
        if call_id in self._running or not isinstance(params, dict):
            await self._refuse(call_id, INVALID_REQUEST, "parameters by name and a fresh id are needed")
        elif len(self._running) >= self._calls_at_once:
            await self._answer_error(call_id, Busy("Too many calls are running."))
        else:
            scope = self._running[call_id] = anyio.CancelScope()
            named = span if isinstance(span, str) else None
            self._tasks.start_soon(self._run_call, call_id, method, params, scope, named)

    async def _run_call(
        self, call_id: int | str, method: str, params: Params, scope: anyio.CancelScope, span: str | None
    ) -> None:
        try:
            with scope:
                await self._answer(call_id, method, params, span)
        except NotConnected:
            logger.debug("rpc: the connection closed before %s was answered", method)
        finally:
            del self._running[call_id]

    async def _answer(self, call_id: int | str, method: str, params: Params, span: str | None) -> None:
        begun = time.time_ns()

        def took() -> dict[str, Any]:
            is_asked = span is not None and not is_recording()
            return {"took": [begun, time.time_ns()]} if is_asked else {}

        try:
            with continued(span, "answer"):
                result = await self._on_call(method, params)
            frame = self._frame({"id": call_id, "result": result, **took()})
        except WhatsAppError as error:
            await self._answer_error(call_id, error, took())
        except NoMessage as error:
            self._end(error)
        except Exception:
            logger.exception("rpc: call %s failed", method)
            await self._refuse(call_id, INTERNAL_ERROR, f"{method} failed unexpectedly; see the log")
        else:
            await self._put(frame)

    async def _answer_error(
        self, call_id: int | str, error: WhatsAppError, took: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        await self._put(self._frame({"id": call_id, "error": error_body(error), **took}))

    async def _refuse(self, call_id: int | str | None, code: int, message: str) -> None:
        await self._put(self._frame({"id": call_id, "error": {"code": code, "message": message}}))


def _closed() -> NotConnected:
    return NotConnected("The connection to the other process is closed.")
