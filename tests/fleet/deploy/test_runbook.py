"""The runbook's statements and its restore, on a real server, as the role that it says."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import psycopg
import pytest

from tests import simulated
from tests.docs.examples import Example, examples
from tests.docs.examples import run as run_example
from tests.fleet.keys.taken import TakenAccount
from tests.fleet.leading import led
from tests.fleet.postgres import PASSWORD, PostgresServer, free_port, postgres_server, private_folder
from whatsapp_fleet.database import begin_run
from whatsapp_mcp.device.operations import sends
from whatsapp_mcp.models import ConnectionState, SendRequest, SendStatus, TextContent
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio
PAGE: Final = Path(__file__).parents[3] / "docs" / "fleet" / "operations.md"
HERE: Final = "tests/fleet/deploy/test_runbook.py"
BLOCKS: Final = [example for example in examples(PAGE) if example.run_by == HERE]
STATEMENTS: Final = [example for example in BLOCKS if example.language == "sql"]
COMMANDS: Final = [example for example in BLOCKS if example.language == "sh"]
SETUP: Final = STATEMENTS[0]
OF_CLUB: Final = "club"
LIMIT: Final = 60.0


def beginning(words: str) -> Example:
    """The one block that holds these words."""
    [found] = [example for example in STATEMENTS if words in example.body]
    return found


def set_up(server: PostgresServer) -> str:
    """Make role and database as the page says; the address for that role."""
    for statement in SETUP.body.splitlines():
        server.query(statement.replace("a long one", PASSWORD))
    return server.url("whatsapp", "fleet")


def run(url: str, body: str, *, kept: bool = False) -> None:
    """Run a block of statements in one transaction, which is rolled back unless it is to be kept."""
    with psycopg.connect(url) as connection:
        connection.execute(body.encode())
        if not kept:
            connection.rollback()


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server of its own: roles are common to all of its databases."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="module")
def url(server: PostgresServer) -> str:
    """The address for the role of the page, with an account that is led."""
    url = set_up(server)
    with TakenAccount(url, OF_CLUB) as account:
        account.take_over()
        begin_run(account.session, "run", "node-1", 3, address="", machine="", capacity=50)
    return url


@pytest.mark.parametrize("example", STATEMENTS[1:], ids=lambda example: example.name)
def test_a_statement_of_the_runbook_works_for_the_role_that_it_is_for(url: str, example: Example) -> None:
    run(url, example.body)


def test_the_commands_of_the_runbook_work(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path))
    monkeypatch.setenv("WHATSAPP_MCP_DATABASE", url)
    monkeypatch.setenv("WHATSAPP_MCP_NODE__ALLOW_ASYNCHRONOUS", "true")
    printed = "".join(run_example(example) for example in COMMANDS)
    assert OF_CLUB in printed
    assert "node-1" in printed


def test_the_runbook_has_statements_and_commands() -> None:
    assert len(STATEMENTS) > 3
    assert len(COMMANDS) > 3


def test_the_statements_of_a_restore_leave_no_keys_no_roles_and_no_leader(
    url: str, server: PostgresServer
) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(beginning("DROP ROLE").body.encode())
        left = connection.execute(
            "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'keys%'),"
            " (SELECT count(*) FROM pg_roles WHERE rolname LIKE 'wa%'),"
            " (SELECT count(*) FROM whatsapp_mcp.runs WHERE NOT ended),"
            " (SELECT count(*) FROM whatsapp_mcp.accounts WHERE state = 'active')"
        ).fetchone()
        connection.rollback()
    assert left == (0, 0, 0, 0)


@dataclass(frozen=True)
class Backup:
    """A base backup and the log after it."""

    folder: Path
    archive: Path


@pytest.fixture
async def wa(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WhatsApp]:
    """The simulated WhatsApp."""
    async with WhatsApp(seed=29) as whatsapp:
        simulated.use(whatsapp, monkeypatch, "whatsapp_fleet.client")
        yield whatsapp


async def promoted(server: PostgresServer) -> None:
    """Wait until it has ended its recovery."""
    with anyio.fail_after(LIMIT):
        while server.query("SELECT pg_is_in_recovery()") == "t":  # noqa: ASYNC110  the server tells nobody
            await anyio.sleep(0.1)


@pytest.mark.slow
async def test_an_account_is_linked_again_after_a_restore_to_a_point_in_time(
    wa: WhatsApp, tmp_path: Path
) -> None:
    """Step by step as the page says; what was said before that moment is there afterwards."""
    ann = wa.person("Ann")
    with private_folder() as folder, private_folder() as copy:
        archive = folder / "log"
        archive.mkdir()
        shutil.chown(archive, folder.owner())
        settings = {"archive_mode": "on", "archive_command": f"cp %p {archive}/%f", "wal_level": "replica"}
        with postgres_server(settings) as server:
            url = set_up(server)
            backup = copy / "data"
            source = ("-d", server.url())
            server.run("pg_basebackup", "-D", str(backup), "-X", "none", "-c", "fast", "--no-sync", *source)
            with TakenAccount(url, OF_CLUB) as account:
                async with led(account, tmp_path / "node") as leader:
                    await leader.link(wa)
                    await ann.says("before")
                    await leader.archived("before")
                    moment = server.query("SELECT pg_create_restore_point('then')")
                    assert moment
                    await ann.says("after")
                    await leader.archived("after")
            server.query("SELECT pg_switch_wal()")
            server.stop()
        restored = PostgresServer(copy, server.binaries, free_port())
        (backup / "recovery.signal").touch()
        shutil.chown(backup / "recovery.signal", copy.owner())
        with (backup / "postgresql.auto.conf").open("a", encoding="utf-8") as recovery:
            recovery.write(
                f"restore_command = 'cp {archive}/%f %p'\n"
                "recovery_target_name = 'then'\nrecovery_target_action = 'promote'\n"
            )
        restored.start()
        try:
            await promoted(restored)
            url = restored.url("whatsapp", "fleet")
            run(url, beginning("DROP ROLE").body, kept=True)
            run(url, "UPDATE whatsapp_mcp.accounts SET state = 'active'", kept=True)
            with TakenAccount(url, OF_CLUB) as account:
                async with led(account, tmp_path / "another") as leader:
                    await leader.link(wa)
                    await leader.until(ConnectionState.ONLINE)
                    await leader.archived("before")
                    sent = await leader.device.do(
                        sends.send, SendRequest(str(ann.pn), TextContent("hello"), wait=20.0)
                    )
                    assert sent.status is SendStatus.SENT
            assert "hello" in [one.text for one in ann.inbox]
        finally:
            restored.stop()
