"""The page of webhooks shows how each is doing, and has failed events delivered again after a question."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx2
import pytest

from tests.server.fakes import ledger_in
from tests.web.site import Source, fields
from whatsapp_mcp.features.webhooks.settings import WebhookSettings
from whatsapp_mcp.ledger import FailedDelivery, Ledger
from whatsapp_mcp.settings import CurrentSettings, load

pytestmark = pytest.mark.anyio
AT = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
HOOK = WebhookSettings(
    name="n8n", url="https://hooks.example.org/secret-path", secrets=("env:HOOK",), chats=("Ann",)
)
REPLAY = "/webhooks/n8n/replay"


@pytest.fixture
def ledger(source: Source) -> Ledger:
    settings = load(source.home).model_copy(update={"webhooks": (HOOK,), "timezone": "UTC"})
    source.current = CurrentSettings(settings)
    return ledger_in(source.home)


async def fail(ledger: Ledger) -> None:
    await ledger.webhooks.begin("n8n", 3)
    await ledger.webhooks.give_up(FailedDelivery("n8n", 5, AT, "It answered 500."))
    await ledger.webhooks.give_up(FailedDelivery("n8n", 9, AT, "It answered 400.", missed_after=5))


async def test_a_webhook_is_shown_with_what_failed_and_without_its_path(
    http: httpx2.AsyncClient, ledger: Ledger
):
    await fail(ledger)
    page = (await http.get("/webhooks")).text

    assert "https://hooks.example.org" in page
    assert "secret-path" not in page
    assert "2 failed events" in page
    assert "It answered 500." in page
    assert "changes 6 to 9 were missed" in page


async def test_a_webhook_that_never_ran_offers_nothing_to_deliver(http: httpx2.AsyncClient, ledger: Ledger):
    page = (await http.get("/webhooks")).text

    assert "No server delivers it yet" in page
    assert REPLAY not in page


async def test_what_failed_is_delivered_again_after_a_question(http: httpx2.AsyncClient, ledger: Ledger):
    await fail(ledger)
    question = (await http.get(REPLAY)).text
    assert "secret-path" not in question
    assert ledger.webhooks.failed("n8n", replay=True) == ()

    answer = await http.post(REPLAY, data=fields(question, REPLAY))

    assert answer.headers["location"] == "/webhooks"
    assert len(ledger.webhooks.failed("n8n", replay=True)) == 2
    assert "tried again soon" in (await http.get("/webhooks")).text


async def test_a_form_of_elsewhere_replays_nothing(http: httpx2.AsyncClient, ledger: Ledger):
    await fail(ledger)

    assert "not valid" in (await http.post(REPLAY, data={"token": "0"})).text
    assert ledger.webhooks.failed("n8n", replay=True) == ()


async def test_a_webhook_that_is_not_in_the_settings_cannot_be_replayed(
    http: httpx2.AsyncClient, ledger: Ledger
):
    assert (await http.get("/webhooks/other/replay")).status_code == 400


async def test_without_webhooks_the_page_says_how_to_set_one_up(http: httpx2.AsyncClient):
    assert "config.toml" in (await http.get("/webhooks")).text


async def test_the_settings_name_a_webhook_without_its_path(http: httpx2.AsyncClient, ledger: Ledger):
    page = (await http.get("/settings")).text

    assert "n8n: https://hooks.example.org" in page
    assert "secret-path" not in page
