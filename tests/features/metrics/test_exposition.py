"""What Prometheus is told: the truth of this moment, and nothing of what people said or are called."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.server.fakes import FakeDevice, FakeDevices, FakeSource, ledger_in
from tests.server.over_http import TOKEN, URL, SourceRuntime, verify
from whatsapp_mcp import errors
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.features.metrics import ACCOUNT, METRICS
from whatsapp_mcp.models import ConnectionState, ConnectionStatus, FilesStatus, LeaderFigures
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.calls import Principal, spec_of
from whatsapp_mcp.server.tools import load_tools
from whatsapp_mcp.server.transports.http import asgi_app
from whatsapp_mcp.server.transports.page_login import PageLogins
from whatsapp_mcp.text.choices import SCOPES
from whatsapp_mcp.web import Opened

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
KNOWN = LeaderFigures(
    NOON,
    logins=4,
    client_pid=77,
    client_memory=50_000_000,
    client_seconds=12.5,
    journaled=120,
    archived=118,
    journal_stalled=3.0,
    sends={"sent": 5, "failed": 1},
    refusals={"DENIED": 2},
)
VERSION = "2026-07-28"
"""Of the protocol in which a call needs no session."""
META = {
    "protocolVersion": VERSION,
    "clientInfo": {"name": "x", "version": "1"},
    "clientCapabilities": dict[str, Any](),
}
Samples = dict[tuple[str, tuple[str, ...]], float]


class Metered(SourceRuntime):
    """A runtime that is open."""

    def __init__(self, source: FakeSource) -> None:
        super().__init__(source)
        self.meter = source.meter
        self.fake = source

    def opened(self) -> Opened:
        """The fake device, and the archive of the test."""
        return Opened(FakeDevices(self.fake.device), self.fake.archive, ledger_in(self.fake.home))


@pytest.fixture
def device() -> FakeDevice:
    """A device whose leader knows something of everything."""

    class Failing(FakeDevice):
        async def status(self) -> ConnectionStatus:
            told = await super().status()
            return replace(
                told,
                failures={"outbox": 2},
                leader_pid=1,
                last_event_at=NOON,
                last_sent_at=NOON,
                phone_seen_at=NOON,
                journal_waiting=2,
                events_lost=101,
                undecoded=1,
                files=FilesStatus(to_fetch=3, failed=1),
            )

    return Failing(known=KNOWN)


@pytest.fixture
def source(device: FakeDevice, archive: Archive, tmp_path: Path) -> FakeSource:
    """Services around the device."""
    return FakeSource(device, archive, tmp_path)


@pytest.fixture
async def http(source: FakeSource) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the server that shows no token by itself."""
    application = create(source, "all")
    app = asgi_app(application, [Metered(source)], host="127.0.0.1", verify=verify, logins=PageLogins("page"))
    transport = httpx2.ASGITransport(app=app)
    async with (
        application.session_manager.run(),
        httpx2.AsyncClient(transport=transport, base_url=URL) as client,
    ):
        yield client


def bearer(token: str) -> dict[str, str]:
    """The header that shows a token; one for each scope is known, by the scope's name."""
    return {"Authorization": f"Bearer {token}"}


async def called(http: httpx2.AsyncClient, tool: str, token: str = "read", **arguments: Any) -> str:
    """The answer to a call of a tool, which needs no session."""
    names = {"MCP-Protocol-Version": VERSION, "Mcp-Method": "tools/call", "Mcp-Name": tool}
    said = {f"io.modelcontextprotocol/{key}": value for key, value in META.items()}
    params = {"name": tool, "arguments": arguments, "_meta": said}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    headers = {"Accept": "application/json, text/event-stream", **names, **bearer(token)}
    answer = await http.post("/mcp", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.text


async def scraped(http: httpx2.AsyncClient) -> str:
    """The body of a scrape."""
    response = await http.get("/metrics", headers=bearer("metrics"))
    assert response.status_code == 200, response.text
    return response.text


async def samples(http: httpx2.AsyncClient) -> Samples:
    """The values of a scrape, by name and the labels beside the account."""
    found: Samples = {}
    for family in text_string_to_metric_families(await scraped(http)):
        for sample in family.samples:
            labels = tuple(value for name, value in sorted(sample.labels.items()) if name != ACCOUNT)
            found[sample.name, labels] = sample.value
    return found


async def test_the_token_for_metrics_opens_the_figures_and_nothing_else(http: httpx2.AsyncClient) -> None:
    assert (await http.get("/metrics", headers=bearer("metrics"))).status_code == 200
    for tool in ("connection_status", "list_chats", "send_message", "link_device"):
        assert "DENIED" in await called(http, tool, "metrics"), tool
    assert (await http.get("/tokens", headers=bearer("metrics"))).status_code == 403


@pytest.mark.parametrize("scope", [scope for scope in SCOPES if scope != "metrics"])
async def test_a_token_of_an_application_does_not_open_the_figures(
    http: httpx2.AsyncClient, scope: str
) -> None:
    refused = await http.get("/metrics", headers=bearer(scope))
    assert (refused.status_code, "--scope metrics" in refused.text) == (403, True)


async def test_the_first_token_opens_the_figures(http: httpx2.AsyncClient) -> None:
    assert (await http.get("/metrics", headers=bearer(TOKEN))).status_code == 200


async def test_nobody_reads_the_figures_without_a_token(http: httpx2.AsyncClient) -> None:
    assert (await http.get("/metrics")).status_code == 401


async def test_every_metric_of_the_catalogue_is_told(http: httpx2.AsyncClient) -> None:
    await called(http, "connection_status")
    families = {family.name for family in text_string_to_metric_families(await scraped(http))}
    expected = {metric.full_name.removesuffix("_total") for metric in METRICS}
    assert expected - families == set()


async def test_what_the_leader_says_is_told(http: httpx2.AsyncClient) -> None:
    told = await samples(http)
    assert told["whatsapp_connection_state", ("online",)] == 1
    assert sum(value for (name, _), value in told.items() if name == "whatsapp_connection_state") == 1
    assert told["whatsapp_ready", ()] == 1
    assert told["whatsapp_client_generation", ()] == 3
    assert told["whatsapp_logins_total", ()] == 4
    assert told["whatsapp_journal_waiting", ()] == 2
    assert (told["whatsapp_journal_position", ()], told["whatsapp_archive_position", ()]) == (120, 118)
    assert told["whatsapp_client_memory_bytes", ()] == 50_000_000
    assert told["whatsapp_refusals_total", ("DENIED",)] == 2
    assert told["whatsapp_sends_total", ("sent",)] == 5
    assert told["whatsapp_task_failures_total", ("outbox",)] == 2
    assert told["whatsapp_last_event_timestamp_seconds", ()] == NOON.timestamp()


async def test_where_nobody_leads_nothing_old_is_told(http: httpx2.AsyncClient, device: FakeDevice) -> None:
    device.state = ConnectionState.OFFLINE
    told = await samples(http)
    assert [told[f"whatsapp_{name}", ()] for name in ("leader_up", "leading", "ready")] == [0, 0, 0]
    assert told["whatsapp_connection_state", ("offline",)] == 1
    names = {name for name, _ in told}
    assert not names & {"whatsapp_client_generation", "whatsapp_journal_waiting", "whatsapp_logins_total"}
    assert ("whatsapp_sends_open", ("queued",)) in told  # what stands in the files is told all the same


async def test_calls_are_counted_by_tool_and_by_how_they_ended(
    http: httpx2.AsyncClient, source: FakeSource, device: FakeDevice
) -> None:
    for _ in range(2):
        await called(http, "connection_status")
    await called(http, "connection_status", nothing=1)
    allowed, source.policy = source.policy, Policy.in_mode("read_only")
    await called(http, "send_message", "send", chat="Bob", text="y")
    source.policy = allowed
    device.fails = Busy("Later.")
    await called(http, "reconnect", "admin")
    await called(http, "no_such_tool")
    told = await samples(http)
    assert told["whatsapp_tool_calls_total", ("OK", "connection_status")] == 2
    assert told["whatsapp_tool_calls_total", ("INVALID_ARGUMENT", "connection_status")] == 1
    assert told["whatsapp_tool_calls_total", ("DENIED", "send_message")] == 1
    assert told["whatsapp_tool_calls_total", ("BUSY", "reconnect")] == 1
    assert not [labels for _, labels in told if "no_such_tool" in labels]
    assert told["whatsapp_tool_call_seconds_count", ("connection_status",)] == 3
    assert told["whatsapp_tool_call_seconds_bucket", ("+Inf", "connection_status")] == 3


async def test_no_label_holds_what_anybody_chose(http: httpx2.AsyncClient) -> None:
    """Each value is a word of this program, and the account's local name."""
    for tool in ("connection_status", "list_chats"):
        await called(http, tool)
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.code for kind in kinds if issubclass(kind, errors.WhatsAppError)}
    known = {
        ACCOUNT: {"default"},
        "state": set(ConnectionState),
        "status": {"scheduled", "queued", "sending", "unknown", "sent", "failed"},
        "task": {"outbox"},
        "code": codes,
        "outcome": codes | {"OK", "CANCELLED", "INTERNAL"},
        "step": {"fetch", "read"},
        "file": {"archive", "raw", "inbox", "ledger", "client"},
        "tool": {spec_of(function).name for function in load_tools("all")},
    }
    body = await scraped(http)
    for family in text_string_to_metric_families(body):
        for sample in family.samples:
            for label, value in sample.labels.items():
                if label not in {"le", "version", "library"}:
                    assert value in known[label], (family.name, label, value)
    assert "15550001111" not in body


async def test_the_newer_format_is_spoken_to_who_asks_for_it(http: httpx2.AsyncClient) -> None:
    accept = {"Accept": "application/openmetrics-text;version=1.0.0"}
    answer = await http.get("/metrics", headers=bearer("metrics") | accept)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


async def test_without_the_extra_the_answer_says_how_to_add_it(
    http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_nothing(name: str) -> None:
        assert name == "prometheus_client"

    monkeypatch.setattr("whatsapp_mcp.features.metrics.route.util.find_spec", find_nothing)
    answer = await http.get("/metrics", headers=bearer("metrics"))
    assert (answer.status_code, "extra metrics" in answer.text) == (501, True)


async def test_a_quarantined_database_is_counted(http: httpx2.AsyncClient, source: FakeSource) -> None:
    folder = Metered(source).settings.account_folder()
    folder.create()
    folder.inbox_db.with_name("inbox.db.damaged").write_bytes(b"")
    assert (await samples(http))["whatsapp_quarantined_files", ()] == 1


async def test_a_token_for_some_accounts_is_told_nothing_of_others(
    source: FakeSource, archive: Archive, tmp_path: Path
) -> None:
    work = FakeSource(FakeDevice(), archive, tmp_path, account="work")

    async def verify_limited(token: str) -> Principal | None:
        own = frozenset({"work"}) if token == "of-work" else None
        return Principal(f"token:{token}", frozenset({"metrics"}), own)

    second = Metered(work)
    second.account = "work"
    app = asgi_app(
        create(source, "all"),
        [Metered(source), second],
        host="127.0.0.1",
        verify=verify_limited,
        logins=PageLogins("page"),
    )
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url=URL) as client:
        limited = (await client.get("/metrics", headers=bearer("of-work"))).text
        every = (await client.get("/metrics", headers=bearer("of-all"))).text
    assert ('account="work"' in limited, 'account="default"' in limited) == (True, False)
    assert ('account="work"' in every, 'account="default"' in every) == (True, True)
