"""A node answers replicas: it runs their calls in the accounts that it leads, or whose files it holds.

An answer from files that may lack something says since when.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, cast

import anyio
from anyio.abc import ByteStream
from pydantic import TypeAdapter, ValidationError

from whatsapp_fleet.node.replicas.wire import (
    OPERATE,
    PERFORM,
    PING,
    PROGRESS,
    PROTOCOL,
    CallFacts,
    NodeAnswer,
)
from whatsapp_mcp import __version__
from whatsapp_mcp.device.operations import CallersDevices
from whatsapp_mcp.device.operations.registry import OPERATIONS
from whatsapp_mcp.errors import Busy, Denied, InvalidArgument, Unsupported
from whatsapp_mcp.models import Caller
from whatsapp_mcp.policy import CallerState, require
from whatsapp_mcp.processes.admission import Guest, greeted_peer
from whatsapp_mcp.processes.rpc import Params, Peer, by_name
from whatsapp_mcp.server.calls import Call, Content, Result, ServicesSource, contained, no_progress
from whatsapp_mcp.server.fencing import Text
from whatsapp_mcp.server.procedures import Procedure, procedure

_MARK: Final = "stale_since"
"""In the data of a result: from when on something may be missing."""
_TEXT: Final = "text/plain"
CALLS_AT_ONCE: Final = 4096
"""Calls of one replica that may run at a node: most of them wait for messages."""
_CALLER: Final = TypeAdapter(Caller)


@dataclass(eq=False, slots=True)
class _Account:
    """An account that this node answers for.

    Attributes:
        since: Since when its files may lack something; None where the node leads it.
        running: The calls that run in it.
    """

    source: ServicesSource
    since: Callable[[], datetime] | None = None
    running: set[anyio.CancelScope] = field(default_factory=set[anyio.CancelScope])

    @contextmanager
    def run(self) -> Generator[None]:
        """Run a call, which ends with the account.

        Raises:
            Busy: The account was given up meanwhile.
        """
        with anyio.CancelScope() as scope:
            self.running.add(scope)
            try:
                yield
            finally:
                self.running.discard(scope)
        if scope.cancelled_caught:
            raise Busy(
                "The node ended its lead of the account during the call.",
                "Another node takes over. Check whether the call took effect before retrying.",
            )


class Served:
    """The accounts that a node answers for.

    Args:
        secret: Of the fleet, which whoever asks has to show first.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._accounts: dict[str, _Account] = {}

    @contextmanager
    def led(self, account: str, source: ServicesSource) -> Generator[None]:
        """Answer for an account as its leader while the block lasts; calls that run then are ended.

        Args:
            account: Its name.
            source: Has its services.
        """
        with self._answered_for(account, _Account(source)):
            yield

    @contextmanager
    def copied(self, account: str, source: ServicesSource, since: Callable[[], datetime]) -> Generator[None]:
        """Answer what is read of an account from its files, which this node does not lead.

        Args:
            account: Its name.
            source: Has its services; what it hands out cannot be written down, so it refuses what has to be.
            since: Since when the files may lack something.
        """
        with self._answered_for(account, _Account(source, since)):
            yield

    @contextmanager
    def _answered_for(self, name: str, account: _Account) -> Generator[None]:
        former = self._accounts.get(name)
        self._accounts[name] = account
        try:
            yield
        finally:
            if self._accounts.get(name) is account:
                if former is None:
                    del self._accounts[name]
                else:
                    self._accounts[name] = former
            for scope in tuple(account.running):
                scope.cancel()

    async def serve(self, stream: ByteStream, guest: Guest) -> None:
        """Answer one replica until its connection ends; nothing before it has shown the secret.

        Args:
            stream: The connection.
            guest: Whose it is.
        """

        async def hello(params: Params) -> Any:
            if params.get("protocol") == PROTOCOL:  # another one is told ours, and that is all
                shown = str(params.get("secret", "")).encode(errors="replace")
                if not hmac.compare_digest(shown, self._secret):
                    raise Denied(
                        "The replica has not shown the secret of this fleet.",
                        "Tell the user: the nodes and replicas use different databases.",
                    )
                guest.admit()
            return {"protocol": PROTOCOL, "version": __version__}

        async def ping(params: Params) -> Any:
            return None

        async def perform(params: Params) -> Any:
            return await self._perform(params, peer)

        handle = by_name({PING: ping, PERFORM: perform, OPERATE: self._operate})
        async with greeted_peer(stream, guest, hello, handle, calls_at_once=CALLS_AT_ONCE) as peer:
            await peer.wait_closed()

    async def _perform(self, params: Params, peer: Peer) -> NodeAnswer:
        account = self._accounts.get(str(params.get("account")))
        if account is None:
            return NodeAnswer(by="nobody")
        wanted = procedure(str(params.get("procedure")))
        if account.since is not None and not (wanted.reads and params.get("stale") is True):
            return NodeAnswer(by="nobody")
        call = _call_of(params, account.source, peer)
        values = wanted.load(_members(params.get("values")))
        if wanted.act is not None:
            require(account.source.policy, wanted.act, CallerState(call.caller))
        with account.run():
            result = await contained(wanted.name, partial(_run, wanted, call, values))
        return _answer(account, wanted, result)

    async def _operate(self, params: Params) -> NodeAnswer:
        account = self._accounts.get(str(params.get("account")))
        if account is None or account.since is not None:
            return NodeAnswer(by="nobody")
        operation = OPERATIONS.get(str(params.get("operation")))
        if operation is None:
            raise Unsupported(
                f"This node (version {__version__}) does not know {params.get('operation')!r}.",
                "Tell the user: the nodes and replicas differ in version.",
            )
        arguments = operation.load(_members(params.get("arguments")))
        with account.run():
            devices = CallersDevices(await account.source.devices(), _caller(params.get("caller")))
            async with devices.use() as device:
                result = await device.perform(operation, arguments)
            return NodeAnswer(by="leader", result=operation.result.dump_python(result, mode="json"))
        raise AssertionError("a call that is ended raises")


async def _run(wanted: Procedure, call: Call, values: dict[str, Any]) -> Any:
    return await wanted.function(call, **values)


def _answer(account: _Account, wanted: Procedure, result: Any) -> NodeAnswer:
    if account.since is not None:
        return NodeAnswer(by="copy", result=wanted.dump_result(_marked(result, account.since())))
    return NodeAnswer(by="leader", result=wanted.dump_result(result))


def _call_of(params: Params, source: ServicesSource, peer: Peer) -> Call:
    facts, number = CallFacts.from_json(params.get("call")), params.get("progress")

    async def progress(done: float, total: float | None, message: str | None) -> None:
        notification = {"number": number, "done": done, "total": total, "message": message}
        await peer.notify(PROGRESS, notification)

    return Call(
        source,
        no_progress if number is None else progress,
        facts.caller,
        over_http=facts.over_http,
        draws_cards=facts.draws_cards,
        is_one_of_several=facts.is_one_of_several,
    )


def _caller(given: object) -> Caller:
    try:
        return _CALLER.validate_python(given)
    except ValidationError as error:
        raise InvalidArgument("It is not said for whom the operation is.") from error


def _members(given: object) -> dict[str, Any]:
    return given if isinstance(given, dict) else {}


def _marked(result: Any, since: datetime) -> Any:
    """An answer that says since when it may lack something; what nobody reads, as it is.

    Args:
        result: Of a tool, a resource or another procedure.
        since: From then on something may be missing.
    """
    note = (
        f"(Stale: no node leads this account at the moment. What came or was done since "
        f"{since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC may be missing here.)"
    )
    if isinstance(result, Result):
        text = result.text.plus(note) if isinstance(result.text, Text) else f"{result.text} {note}"
        return replace(result, text=text, data={**result.data, _MARK: since.isoformat()})
    if isinstance(result, Sequence) and not isinstance(result, str | bytes):
        parts = cast("Sequence[Any]", result)
        if any(isinstance(part, Content) for part in parts):
            return [*parts, Content(note, _TEXT)]
    return result
