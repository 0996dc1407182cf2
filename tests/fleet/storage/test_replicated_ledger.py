"""A ledger that is made of a log in PostgreSQL."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.fleet.led import LedAccount
from tests.ledger.test_replication import SEND, Nodes, everything
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.ledger import follow_ledger, open_ledger
from whatsapp_mcp.storage import LedgerStorage

pytestmark = pytest.mark.anyio


async def test_a_leader_on_postgresql_goes_on_where_a_killed_one_was(database: str, tmp_path: Path) -> None:
    nodes = Nodes(tmp_path)
    with LedAccount(database) as led:
        for node in ("a", "b", "a"):
            with led.statements() as log, led.small_file("approval.key") as key:
                async with open_ledger(
                    nodes.folder(node), lambda: nodes.now, LedgerStorage(log, key)
                ) as ledger:
                    nodes.now += timedelta(minutes=2)
                    await everything(ledger, nodes.now)
                    assert ledger.audit.verify() == []
                    if node == "b":
                        await ledger.purge()
                    led.take_over()
                    with pytest.raises(Busy):
                        await ledger.audit.begin(SEND)
        with led.statements() as log:
            follow_ledger(nodes.folder("c"), log)
            follow_ledger(nodes.folder("b"), log)
    assert nodes.digest("a") == nodes.digest("b") == nodes.digest("c")
