"""One trace follows a call from the tool through the leader and its client to WhatsApp's acknowledgement."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest
from mcp import Client
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.server.fakes import FakeDevice, FakeSource
from tests.server.linked import LIMIT
from tests.server.pair import link, pair_of_servers
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.processes import tracing
from whatsapp_mcp.processes.otel import OtelTracer
from whatsapp_mcp.server.application import create

pytestmark = pytest.mark.anyio
TEXT, NAME = "words-of-a-message", "Somebody Special"


class Spans:
    """What was recorded."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracer = OtelTracer(SimpleSpanProcessor(self._exporter))

    def all(self) -> Sequence[ReadableSpan]:
        """The spans that are over."""
        return self._exporter.get_finished_spans()

    def clear(self) -> None:
        """Forget them."""
        self._exporter.clear()

    def named(self, name: str) -> ReadableSpan:
        """The one span of this name."""
        [span] = [span for span in self.all() if span.name == name]
        return span

    def way_to(self, name: str) -> list[str]:
        """The names from the first span to this one."""
        by_id = {span.context.span_id: span for span in self.all() if span.context}
        way, span = list[str](), self.named(name)
        while True:
            way.insert(0, span.name)
            if span.parent is None or span.parent.span_id not in by_id:
                return way
            span = by_id[span.parent.span_id]


@pytest.fixture
def spans() -> Spans:
    """A recorder, which is on where a test says so."""
    return Spans()


@pytest.fixture
def source(archive: Archive, tmp_path: Path) -> FakeSource:
    """Services of a device that is online."""
    return FakeSource(FakeDevice(), archive, tmp_path)


async def test_a_send_through_a_follower_is_one_trace_up_to_the_acknowledgement(
    spans: Spans, tmp_path: Path
) -> None:
    with tracing.recording(spans.tracer):
        async with pair_of_servers(tmp_path / "home") as pair:
            await link(pair)
            friend = pair.wa.person(NAME, "+15550004444")
            spans.clear()
            arguments = {"chat": f"+{friend.pn.user}", "text": TEXT}
            _, sent = await pair.told(pair.follower, "send_message", arguments)
            assert sent["status"] == "sent", sent
            assert (await friend.receives()).message.conversation == TEXT
            with anyio.fail_after(LIMIT):
                while not any(span.name == "hand over" for span in spans.all()):  # noqa: ASYNC110
                    await anyio.sleep(0.01)

    assert spans.way_to("answer send_message") == [
        "tool send_message",
        "call send",
        "answer",
        "operation send",
        "hand over",
        "call send_message",
        "answer send_message",
    ]
    traces = {span.context.trace_id for span in spans.all() if span.context and span.name == "hand over"}
    assert len(traces) == 1
    for span in spans.all():
        said = f"{span.name} {dict(span.attributes or {})} {span.status.description} {span.events}"
        assert not [word for word in (TEXT, NAME, friend.pn.user, "15550") if word in said], said


async def test_the_time_in_the_client_lies_within_the_call(spans: Spans, tmp_path: Path) -> None:
    with tracing.recording(spans.tracer):
        async with pair_of_servers(tmp_path / "home") as pair:
            await link(pair)
            spans.clear()
            friend = pair.wa.person("Bob", "+15550004444")
            await pair.told(pair.leader, "send_message", {"chat": f"+{friend.pn.user}", "text": TEXT})
            await friend.receives()
            with anyio.fail_after(LIMIT):
                while not any(span.name == "call send_message" for span in spans.all()):  # noqa: ASYNC110
                    await anyio.sleep(0.01)
    outer, inner = spans.named("call send_message"), spans.named("answer send_message")
    times = [outer.start_time, inner.start_time, inner.end_time, outer.end_time]
    assert None not in times
    assert times == sorted(times, key=lambda each: each or 0)


async def test_a_trace_that_an_application_has_begun_goes_on(spans: Spans) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with tracing.recording(spans.tracer), tracing.continued(parent, "here"), tracing.traced("below"):
        carried = tracing.carrier()
    below, here = spans.named("below"), spans.named("here")
    assert below.context is not None
    assert here.parent is not None
    assert f"{below.context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert f"{here.parent.span_id:016x}" == "b7ad6b7169203331"
    assert carried == f"00-0af7651916cd43dd8448eb211c80319c-{below.context.span_id:016x}-01"


async def test_an_mcp_application_that_names_its_trace_finds_the_tool_in_it(
    spans: Spans, source: FakeSource
) -> None:
    with tracing.recording(spans.tracer):
        async with Client(create(source)) as client:
            with tracing.traced("application"):
                await client.call_tool("connection_status", {})
    assert spans.way_to("tool connection_status") == ["application", "tool connection_status"]


async def test_what_follows_in_a_line_is_not_part_of_the_trace_before_it(spans: Spans) -> None:
    with tracing.recording(spans.tracer), tracing.traced("first"), tracing.continued(None, "second"):
        pass
    assert spans.named("second").parent is None


async def test_an_error_is_told_by_its_code_and_never_by_its_words(spans: Spans) -> None:
    with tracing.recording(spans.tracer), pytest.raises(Busy), tracing.traced("x"):
        raise Busy(TEXT)
    with tracing.recording(spans.tracer), pytest.raises(ValueError, match=TEXT), tracing.traced("y"):
        raise ValueError(TEXT)
    assert dict(spans.named("x").attributes or {}) == {"error.type": "BUSY"}
    assert dict(spans.named("y").attributes or {}) == {"error.type": "ValueError"}
    assert [(span.events, span.status.description) for span in spans.all()] == [((), None)] * 2


@pytest.mark.parametrize("parent", ["", "garbage", "00-0-0-0", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
async def test_an_invalid_name_of_a_span_is_no_parent(spans: Spans, parent: str) -> None:
    with tracing.recording(spans.tracer), tracing.continued(parent, "x"):
        pass
    assert spans.named("x").parent is None


def test_without_a_tracer_nothing_is_recorded_named_or_imported() -> None:
    with tracing.traced("x"), tracing.continued("00-1-1-01", "y"):
        tracing.past("z", time.time_ns(), time.time_ns())
        assert (tracing.carrier(), tracing.is_recording()) == (None, False)
    tracing.flush()
