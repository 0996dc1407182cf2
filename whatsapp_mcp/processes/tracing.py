"""Traces: what one call goes through, across tasks and processes, up to WhatsApp's acknowledgement.

The tracer of a process is a context variable, so that nothing is global, and what is not recorded costs a
look at it. What records and exports spans is OpenTelemetry (extra `otel`), which only `otel.py` loads:
processes that record nothing, such as that of the client library, never import it.

No span says who or what: names are those of tools, operations and methods, attributes are codes of errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Final, Protocol

from whatsapp_mcp.errors import InvalidArgument


class Tracer(Protocol):
    """Records spans."""

    def span(self, name: str, parent: str | None, *, is_root: bool) -> AbstractContextManager[None]:
        """A span around the block, in which it is the current one. An error that leaves it is its outcome.

        Args:
            name: What is done, in words of this program.
            parent: The `traceparent` of a span elsewhere (W3C Trace Context); an invalid one counts as none.
            is_root: Without a parent: whether the current span is none of it either.
        """
        ...

    def past(self, name: str, begun: int, ended: int) -> None:
        """A span that is over, below the current one; times in nanoseconds since 1970."""
        ...

    def carrier(self) -> str | None:
        """The `traceparent` of the current span; None where there is none."""
        ...

    def flush(self) -> None:
        """Export what is not exported yet; a receiver that is away makes it take long."""
        ...


_TRACER: Final[ContextVar[Tracer | None]] = ContextVar("tracer", default=None)


@contextmanager
def recording(tracer: Tracer) -> Iterator[None]:
    """Record what is done in the block, and in the tasks that begin there."""
    token = _TRACER.set(tracer)
    try:
        yield
    finally:
        _TRACER.reset(token)


@contextmanager
def exporting(endpoint: str | None, ratio: float) -> Iterator[None]:
    """Record what is done in the block and export it over OTLP; nothing where there is no endpoint.

    Raises:
        InvalidArgument: The extra `otel` is missing.
    """
    if endpoint is None:
        yield
        return
    try:
        from whatsapp_mcp.processes.otel import exporting_to
    except ImportError as error:
        raise InvalidArgument(
            "traces.endpoint is set, and the extra otel is missing.",
            "Install it (`whatsapp-mcp doctor` says how), or remove the setting.",
        ) from error
    with recording(exporting_to(endpoint, ratio)):
        yield


def traced(name: str) -> AbstractContextManager[None]:
    """A span around the block, below the current one."""
    tracer = _TRACER.get()
    return _NOTHING if tracer is None else tracer.span(name, None, is_root=False)


def continued(parent: str | None, name: str) -> AbstractContextManager[None]:
    """A span around the block, below one that another task or process has named; without that, below none."""
    tracer = _TRACER.get()
    return _NOTHING if tracer is None else tracer.span(name, parent, is_root=parent is None)


def past(name: str, begun: int, ended: int) -> None:
    """A span that is over, below the current one; times in nanoseconds since 1970."""
    if (tracer := _TRACER.get()) is not None:
        tracer.past(name, begun, ended)


def is_recording() -> bool:
    """Return whether this process records spans."""
    return _TRACER.get() is not None


def carrier() -> str | None:
    """The `traceparent` of the current span, for another task or process; None where nothing is recorded."""
    tracer = _TRACER.get()
    return None if tracer is None else tracer.carrier()


def flush() -> None:
    """Export what is not exported yet: for a process that ends, in a thread that it need not wait for."""
    if (tracer := _TRACER.get()) is not None:
        tracer.flush()


_NOTHING: Final = nullcontext()
"""Without state, so that all blocks share it: what is not recorded makes no object."""
