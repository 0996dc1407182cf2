"""Spans by OpenTelemetry's SDK (extra `otel`), exported over OTLP."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from whatsapp_mcp import __version__
from whatsapp_mcp.errors import WhatsAppError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

_SERVICE: Final = "whatsapp-mcp"
_HEADER: Final = "traceparent"
_FORMAT: Final = TraceContextTextMapPropagator()


class OtelTracer:
    """A `Tracer` with a provider of its own: the global one stays as it is, so no library records anything.

    Args:
        processor: Takes the spans.
        ratio: Of the traces that begin here, how many are recorded, from 0 to 1. One that has begun elsewhere
            is recorded if it is there.
    """

    def __init__(self, processor: SpanProcessor, ratio: float = 1.0) -> None:
        resource = Resource.create(
            {"service.name": _SERVICE, "service.version": __version__, "process.pid": os.getpid()}
        )
        # A server ends by `os._exit`, which runs no exit handlers: `flush` exports what is left.
        self._provider = TracerProvider(
            sampler=ParentBasedTraceIdRatio(ratio), resource=resource, shutdown_on_exit=False
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer(_SERVICE, __version__)

    @contextmanager
    def span(self, name: str, parent: str | None, *, is_root: bool) -> Iterator[None]:
        """Record a span around the block with OpenTelemetry."""
        # An empty context, since None stands for the current one.
        context = Context() if is_root else None
        if parent is not None:
            context = _FORMAT.extract({_HEADER: parent}, Context())
        with self._tracer.start_as_current_span(
            name,
            context,
            # They would write down the text of an exception, which may quote a message.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except WhatsAppError as error:
                span.set_attribute("error.type", error.code)
                span.set_status(Status(StatusCode.ERROR))
                raise
            except BaseException as error:
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(Status(StatusCode.ERROR))
                raise

    def past(self, name: str, begun: int, ended: int) -> None:
        """Record a span that is over, below the current one."""
        self._tracer.start_span(name, start_time=begun).end(ended)

    def carrier(self) -> str | None:
        """Return the `traceparent` of the current span; None if there is none."""
        said = dict[str, str]()
        _FORMAT.inject(said)
        return said.get(_HEADER)

    def flush(self) -> None:
        """Export the spans that are not exported yet."""
        self._provider.force_flush()


def exporting_to(endpoint: str, ratio: float) -> OtelTracer:
    """A tracer that exports to an OTLP receiver over HTTP, in a thread of its own.

    What `OTEL_EXPORTER_OTLP_*` says of headers, certificates and limits holds.

    Args:
        endpoint: URL, with the path for traces.
        ratio: As in `OtelTracer`.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OtelTracer(BatchSpanProcessor(OTLPSpanExporter(endpoint)), ratio)
