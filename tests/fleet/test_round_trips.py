"""What a send costs the leader of an account in a database, in round trips: statements and pipelines."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests import simulated
from tests.fleet.keys.taken import TakenAccount, leaders_url
from tests.fleet.leading import led
from tests.fleet.postgres import PostgresServer
from whatsapp_fleet.database import Session
from whatsapp_mcp.device.operations import sends
from whatsapp_mcp.models import SendRequest, SendStatus, TextContent
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio

LIMIT = 30.0
_HASH = 32


@pytest.fixture
async def wa(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WhatsApp]:
    async with WhatsApp(seed=23) as whatsapp:
        simulated.use(whatsapp, monkeypatch, "whatsapp_fleet.client")
        yield whatsapp


@pytest.fixture
def account(postgres: PostgresServer, database: str) -> Iterator[TakenAccount]:
    with TakenAccount(leaders_url(postgres, database)) as taken:
        yield taken


@dataclass
class Statements:
    """What is executed over the connections of a send: those of the log, the ledger and the keys.

    Attributes:
        told: Each statement since the last look: `log` with the operations of the outbox that it appends,
            `ledger`, `keys`, or its beginning.
        reading: Set when the keys are read. A write of the ledger waits for it, if it is held.
        holds: Whether it is.
    """

    told: list[str] = field(default_factory=list[str])
    reading: threading.Event = field(default_factory=threading.Event)
    holds: bool = False
    _of_a_send: set[int] = field(default_factory=set[int])

    def note(self, session: Session, statement: Any, values: Any) -> None:
        """One more is about to be executed."""
        words = str(statement)
        if session.pgconn.pipeline_status and PARTS["keys"] not in words:
            return  # it goes with others
        kind = next((kind for kind, part in PARTS.items() if part in words), None)
        if kind is not None:
            self._of_a_send.add(id(session))
        if id(session) not in self._of_a_send:
            return
        if kind == "log":
            kind = " ".join(["log", *filter(lambda name: name.startswith("outbox"), names(values))])
        # Receipts are archived meanwhile, and others ask about keys over the same connection.
        if kind != "log" and not (kind is None and "whatsmeow_" in words):
            self.told.append(kind or words[:80])
        if kind == "keys":
            self.reading.set()
        if kind == "ledger" and self.holds:
            assert self.reading.wait(LIMIT), "the keys are read after the ledger is written"


PARTS = {
    "ledger": "INTO whatsapp_mcp.ledger ",
    "log": "INTO whatsapp_mcp.log ",
    "keys": "users.name, their_id, session",
}


def names(values: Any) -> list[str]:
    """The operations that are appended to a log."""
    return [json.loads(body[_HASH:])[1] for body in values["bodies"]]


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Statements:
    noted, execute = Statements(), Session.execute

    def noting(self: Session, query: Any, params: Any = None, **more: Any) -> Any:
        noted.note(self, query, params)
        return execute(self, query, params, **more)

    monkeypatch.setattr(Session, "execute", noting)
    return noted


async def test_a_send_costs_five_statements_of_which_the_first_two_are_side_by_side(
    wa: WhatsApp, account: TakenAccount, tmp_path: Path, statements: Statements
) -> None:
    ann = wa.person("Ann")
    async with led(account, tmp_path) as leader:
        await leader.link(wa)
        for number in range(2):  # the first also finds out who Ann is
            sent = await leader.device.do(
                sends.send, SendRequest(str(ann.pn), TextContent(f"{number}"), wait=20.0)
            )
            assert sent.status is SendStatus.SENT
        await leader.led.ledger.audit.flush()
        statements.told.clear()
        statements.reading.clear()
        statements.holds = True
        sent = await leader.device.do(sends.send, SendRequest(str(ann.pn), TextContent("counted"), wait=20.0))
        told, statements.holds = [*statements.told], False
        assert sent.status is SendStatus.SENT
        assert sorted(told[:2]) == ["keys", "ledger"]
        assert told[2:] == ["log outbox_add", "keys", "log outbox_sent"]
