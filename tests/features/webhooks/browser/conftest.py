"""The browser of the tests of pages, and a server with webhooks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import pytest

from tests.pages.conftest import _has_a_browser, axe, browser
from tests.pages.served import Served, served
from tests.server.fakes import NOON, ledger_in
from whatsapp_mcp.ledger import FailedDelivery

__all__ = ["_has_a_browser", "axe", "browser", "site"]
CONFIG: Final = """
[[webhooks]]
name = "n8n"
url = "http://127.0.0.1:9/hook"
secrets = ["env:NONE"]
private_network = true
"""


@pytest.fixture(scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """The pages of the world; a webhook has given events up."""
    home = tmp_path_factory.mktemp("home")
    async with served(home, config=CONFIG) as running:
        ledger = ledger_in(home)
        await ledger.webhooks.begin("n8n", 40)
        await ledger.webhooks.give_up(FailedDelivery("n8n", 41, NOON, "It answered 500."))
        await ledger.webhooks.give_up(FailedDelivery("n8n", 90, NOON, "It answered 500.", missed_after=41))
        await ledger.webhooks.put_off("n8n", 0, NOON, "It cannot be reached (ConnectError).")
        yield running
