"""A request may name the trace that it belongs to."""

from __future__ import annotations

import pytest

from tests.server.fakes import FakeSource
from tests.server.over_http import api
from tests.server.test_traces import Spans
from whatsapp_mcp.processes import tracing

pytestmark = pytest.mark.anyio


async def test_a_request_over_plain_http_that_names_its_trace_finds_the_tool_in_it(
    source: FakeSource,
) -> None:
    spans = Spans()
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with tracing.recording(spans.tracer):
        async with api(source) as http:
            await http.post("/api/v1/connection_status", json={}, headers={"traceparent": parent})
    assert spans.way_to("tool connection_status") == ["request", "tool connection_status"]
    context = spans.named("tool connection_status").context
    assert context is not None
    assert f"{context.trace_id:032x}" == parent.split("-")[1]
