"""`whatsapp-mcp link`, on a device that plays back a script."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import urljoin, urlsplit

import anyio
import httpx2
import pytest
from anyio.abc import TaskGroup

from tests import simulated
from tests.cli.fakes import NOON, ScriptedDevice, status_of
from tests.web.site import sign_in
from whatsapp_mcp.cli.connection import linking as link_module
from whatsapp_mcp.cli.connection.device import reconnected, settled_status
from whatsapp_mcp.cli.connection.linking import link
from whatsapp_mcp.cli.connection.report import JsonReport
from whatsapp_mcp.device.connection.accessor import Accessor
from whatsapp_mcp.device.leader.runtime import open_device
from whatsapp_mcp.device.operations import Devices
from whatsapp_mcp.errors import DeadlineExceeded, InvalidArgument, NotConnected, WhatsAppError
from whatsapp_mcp.models import ConnectionState, HistoryProgress, LinkState, QrCode, Statistics
from whatsapp_mcp.settings import Settings
from whatsapp_mcp.web.layout import qr_svg
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio

ONE, TWO = QrCode("2@one", NOON), QrCode("2@two", NOON)
LINKING, ONLINE = ConnectionState.LINKING, ConnectionState.ONLINE
LATER = datetime(2100, 1, 1, tzinfo=UTC)
NUMBER = "+15550001111"


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "HISTORY_POLL", 0.0)
    monkeypatch.setattr(link_module, "HISTORY_GRACE", 0.05)


class ScriptedHistory:
    """Plays back how far the history is: percents, None before the first word; the last is repeated."""

    def __init__(self, *percents: int | None) -> None:
        self._percents = list(percents)

    async def history_progress(self) -> HistoryProgress:
        percent = self._percents.pop(0) if len(self._percents) > 1 else self._percents[0]
        return HistoryProgress(percent, 0, percent == 100, None if percent is None else LATER)

    async def statistics(self) -> Statistics:
        return Statistics(0, 0, 0, 0, 0, 0, 0, 0, None, None, 0)


class Bar(JsonReport):
    """Remembers how the progress bar moved."""

    def __init__(self) -> None:
        super().__init__(io.StringIO())
        self.percents: list[int] = []

    def history(self, progress: HistoryProgress) -> None:
        self.percents.append(progress.percent or 0)


async def holding(device: ScriptedDevice) -> Devices:
    devices = Accessor[ScriptedDevice](lambda: NotConnected("none"))
    await devices.replace(lambda _: device)
    return cast("Devices", devices)


async def events_of(device: ScriptedDevice, phone: str | None = None) -> tuple[bool, list[dict[str, Any]]]:
    """Whether a phone was linked, and what a program was told."""
    devices = await holding(device)
    out = io.StringIO()
    report, linked = JsonReport(out), True
    with anyio.fail_after(30):
        try:
            await link(devices, ScriptedHistory(None), phone, report, settle=0.0)
        except WhatsAppError as error:
            report.failed(error)
            linked = False
    return linked, [json.loads(line) for line in out.getvalue().splitlines()]


async def test_each_qr_code_is_told_once_and_then_linked_and_synced():
    device = ScriptedDevice(
        links=[
            LinkState(LINKING, 1, qr=ONE),
            LinkState(LINKING, 1, qr=ONE),
            LinkState(LINKING, 2, qr=TWO),
            LinkState(ConnectionState.CONNECTING, 3),
            LinkState(ONLINE, 4),
        ],
        statuses=[status_of(ONLINE, NUMBER)],
    )

    linked, events = await events_of(device)

    assert linked
    assert [event["event"] for event in events] == ["qr", "qr", "linked", "synced"]
    assert [event["text"] for event in events[:2]] == [ONE.text, TWO.text]
    assert events[2]["number"] == NUMBER


class Small(JsonReport):
    """Has no room for a code, and opens the page that it is told of."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        super().__init__(io.StringIO())
        self.urls: list[str] = []
        self.seen: list[str] = []
        self._http = http

    @property
    def lacks_room(self) -> bool:
        return True

    def page(self, url: str) -> None:
        self.urls.append(url)

    async def look(self) -> None:
        if not self.seen:
            answer = await sign_in(self._http, self.urls[0])
        else:
            answer = await self._http.get(urljoin(self.urls[0], "/"))
        self.seen.append(answer.text)


class SeenDevice(ScriptedDevice):
    """Goes on once the page of a small report was looked at."""

    report: Small

    async def link_state(self, after_revision: int = -1, wait: float = 0.0) -> LinkState:
        if after_revision >= 0:
            await self.report.look()
        return await super().link_state(after_revision, wait)


async def test_where_a_code_has_no_room_a_page_in_a_browser_follows_the_codes():
    device = SeenDevice(
        links=[LinkState(LINKING, 1, qr=ONE), LinkState(LINKING, 2, qr=TWO), LinkState(ONLINE, 3)],
        statuses=[status_of(ONLINE, NUMBER)],
    )
    async with httpx2.AsyncClient(follow_redirects=True, trust_env=False) as http:
        device.report = Small(http)
        with anyio.fail_after(30):
            await link(await holding(device), ScriptedHistory(None), None, device.report, settle=0.0)
        [url] = device.report.urls
        with pytest.raises(httpx2.TransportError):
            await http.get(url)

    assert urlsplit(url).hostname == "127.0.0.1"
    first, second = device.report.seen
    assert qr_svg(ONE.text) in first
    assert qr_svg(TWO.text) in second


async def test_with_a_phone_number_the_pairing_code_is_told_and_no_qr_code():
    device = ScriptedDevice(
        links=[
            LinkState(LINKING, 1, qr=ONE, code="ABCD-EFGH"),
            LinkState(LINKING, 2, qr=TWO, code="ABCD-EFGH"),
            LinkState(ONLINE, 3),
        ],
        statuses=[status_of(ONLINE, NUMBER)],
    )

    _, events = await events_of(device, NUMBER)

    assert device.phones == [NUMBER]
    assert [event["event"] for event in events] == ["code", "linked", "synced"]
    assert events[0]["code"] == "ABCD-EFGH"


@pytest.mark.parametrize(
    "state", [ConnectionState.REPLACED, ConnectionState.BANNED, ConnectionState.OUTDATED]
)
async def test_a_phone_linked_before_whose_link_needs_a_person_is_a_failure(state: ConnectionState):
    device = ScriptedDevice(
        refusal=InvalidArgument("A phone is linked already."), statuses=[status_of(state, NUMBER)]
    )

    linked, events = await events_of(device)

    assert not linked
    assert [(event["event"], event["code"]) for event in events] == [("failed", "NOT_CONNECTED")]
    assert state.value in events[0]["reason"]


@pytest.mark.parametrize("state", [ConnectionState.CONNECTING, ConnectionState.RECONNECTING])
async def test_a_phone_linked_before_that_reaches_nobody_is_a_failure(state: ConnectionState):
    device = ScriptedDevice(
        refusal=InvalidArgument("A phone is linked already."), statuses=[status_of(state, NUMBER)]
    )

    linked, events = await events_of(device)

    assert not linked
    assert [(event["event"], event["code"]) for event in events] == [("failed", "NOT_CONNECTED")]
    assert "WhatsApp was not reached" in events[0]["reason"]


async def test_codes_that_run_out_are_a_failure_with_the_reason():
    device = ScriptedDevice(
        links=[
            LinkState(LINKING, 1, qr=ONE),
            LinkState(ConnectionState.UNLINKED, 2, reason="The QR codes ran out."),
        ]
    )

    linked, events = await events_of(device)

    assert not linked
    assert events[-1] == {
        "event": "failed",
        "reason": "The QR codes ran out.",
        "code": "NOT_LINKED",
        "action": "Run `whatsapp-mcp link` again.",
    }


async def test_a_phone_that_is_linked_already_counts_as_linked():
    device = ScriptedDevice(
        refusal=InvalidArgument("A phone is linked already."), statuses=[status_of(ONLINE, NUMBER)]
    )

    linked, events = await events_of(device)

    assert linked
    assert [event["event"] for event in events] == ["linked", "synced"]


async def test_another_number_than_the_linked_one_is_refused():
    device = ScriptedDevice(
        refusal=InvalidArgument("A phone is linked already."), statuses=[status_of(ONLINE, NUMBER)] * 2
    )

    linked, events = await events_of(device, "+1 555 000 2222")

    assert not linked
    assert events[-1]["reason"] == f"This account is linked already, to {NUMBER}."
    assert "--account" in events[-1]["action"]


async def test_a_number_that_is_none_is_refused():
    linked, events = await events_of(ScriptedDevice(refusal=InvalidArgument("Not a number.")), "nonsense")

    assert not linked
    assert [(event["event"], event["code"]) for event in events] == [("failed", "INVALID_ARGUMENT")]


async def test_a_whatsapp_that_gives_no_code_is_a_failure():
    linked, events = await events_of(ScriptedDevice(refusal=DeadlineExceeded("No code in time.")))

    assert not linked
    assert [(event["event"], event["code"]) for event in events] == [("failed", "TIMEOUT")]


async def test_the_bar_follows_the_history_until_all_of_it_is_in_the_archive(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(link_module, "HISTORY_GRACE", 60.0)
    online, behind = status_of(ONLINE, NUMBER), status_of(ONLINE, NUMBER, catching_up=True)
    device = ScriptedDevice(
        links=[LinkState(LINKING, 1, qr=ONE), LinkState(ONLINE, 2)],
        statuses=[online, online, behind, behind, behind, behind, online],
    )
    bar, history = Bar(), ScriptedHistory(None, 10, 60, 100)

    with anyio.fail_after(30):
        await link(await holding(device), history, None, bar)

    assert list(dict.fromkeys(bar.percents)) == [10, 60, 100]
    assert not (await device.status()).catching_up


async def test_a_history_that_stands_still_does_not_keep_anybody_waiting():
    device = ScriptedDevice(
        links=[LinkState(LINKING, 1, qr=ONE), LinkState(ONLINE, 2)], statuses=[status_of(ONLINE, NUMBER)]
    )

    with anyio.fail_after(30):
        await link(await holding(device), ScriptedHistory(40), None, Bar())


async def test_status_waits_for_the_first_connect_to_come_to_an_end():
    device = ScriptedDevice(
        statuses=[
            status_of(ConnectionState.OFFLINE),
            status_of(ConnectionState.CONNECTING),
            status_of(ONLINE),
        ]
    )
    devices = await holding(device)

    with anyio.fail_after(30):
        status = await settled_status(devices)

    assert status.state is ONLINE


async def test_status_answers_what_it_has_when_the_first_connect_goes_on():
    devices = await holding(ScriptedDevice(statuses=[status_of(ConnectionState.CONNECTING)]))

    with anyio.fail_after(30):
        status = await settled_status(devices, limit=0.0)

    assert status.state is ConnectionState.CONNECTING


async def test_a_linked_phone_without_a_network_is_neither_ready_nor_reconnected(
    whatsapp: WhatsApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    simulated.use(whatsapp, monkeypatch)
    loaded = Settings(home=tmp_path)
    async with open_device(loaded) as (devices, archive, _), anyio.create_task_group() as tasks:
        phone = ScanningPhone(whatsapp, tasks)
        await link(cast("Devices", devices), archive, None, phone)
    await whatsapp.refuse()

    async with open_device(loaded) as (devices, archive, _):
        with anyio.fail_after(30), pytest.raises(NotConnected, match="WhatsApp was not reached"):
            await link(cast("Devices", devices), archive, None, Bar(), settle=0.5)
        with anyio.fail_after(30):
            status = await reconnected(cast("Devices", devices), archive, limit=0.5)

    assert status.state is not ONLINE


class ScanningPhone(JsonReport):
    """Scans each QR code that it is told of."""

    def __init__(self, whatsapp: WhatsApp, tasks: TaskGroup) -> None:
        super().__init__(io.StringIO())
        self._whatsapp = whatsapp
        self._tasks = tasks

    def qr(self, qr: QrCode) -> None:
        self._tasks.start_soon(self._whatsapp.me.scan, qr.text)
