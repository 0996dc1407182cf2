"""Traces: what one call goes through, across tasks and processes, up to WhatsApp's acknowledgement.

The tracer of a process is a context variable, so that nothing is global, and what is not recorded costs a
look at it. What records and exports spans is OpenTelemetry (extra `otel`), which only `otel.py` loads:
processes that record nothing, such as that of the client library, never import it.

No span says who or what: names are those of tools, operations and methods, attributes are codes of errors.
"""

from whatsapp_mcp.processes.tracing.context import (
    Tracer,
    carrier,
    continued,
    exporting,
    flush,
    is_recording,
    past,
    recording,
    traced,
)

__all__ = [
    "Tracer",
    "carrier",
    "continued",
    "exporting",
    "flush",
    "is_recording",
    "past",
    "recording",
    "traced",
]
