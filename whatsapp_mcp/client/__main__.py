"""`python -m whatsapp_mcp.client`: one client, one generation. `protocol.py` holds what it says and hears."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio

from whatsapp_mcp.client.claim import FILE_NAME, claim
from whatsapp_mcp.client.client_storage import ClientStorage
from whatsapp_mcp.client.confinement import confine
from whatsapp_mcp.client.import_blocker import keep_out
from whatsapp_mcp.client.journal import Journal
from whatsapp_mcp.client.pipes import LeaderReceiveStream, LeaderSendStream, read_storage, take_aside
from whatsapp_mcp.client.protocol import (
    EXIT_FENCED,
    EXIT_NO_JOURNAL,
    EXIT_NO_LIBRARY,
    LEADER_GONE_SECONDS,
    LEASE,
)
from whatsapp_mcp.processes.rpc import Params, Peer
from whatsapp_mcp.processes.system_calls import forbid_core_dumps
from whatsapp_mcp.storage import Fenced, JournalWriter, Refused, StorageError
from whatsapp_mcp.system import EndTimer, leave_terminal, limit_memory, share_arenas
from whatsapp_mcp.text.redaction import RedactingFormatter

_MEMORY: Final = 3 << 29
"""Bytes that this process may take. What it unpacks and parses in Go is bounded in no other way."""

logger = logging.getLogger(__name__)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m whatsapp_mcp.client",
        description="Runs one WhatsApp client for the leader, over pipes.",
    )
    parser.add_argument("--folder", type=Path, required=True, help="the client's folder")
    parser.add_argument("--generation", type=int, required=True, help="the number of this client")
    parser.add_argument("--device-name", required=True, help="how the phone lists this companion")
    parser.add_argument("--history", choices=("recent", "full"), default="recent")
    return parser.parse_args()


def file_journal(storage: ClientStorage) -> JournalWriter:
    """The journal of an account whose files are its own.

    Raises:
        ValueError: The journal is somewhere else.
        sqlite3.Error: The file cannot be opened.
    """
    if storage.journal is not None:
        raise ValueError("the journal of this account is no file")
    return Journal(Path("inbox.db"), storage.journal_key)


async def _run(
    arguments: argparse.Namespace,
    storage: ClientStorage,
    journal_of: Callable[[ClientStorage], JournalWriter],
    incoming: int,
    outgoing: int,
) -> None:
    deadline = None if storage.until is None else EndTimer()
    if storage.until is not None and deadline is not None:
        deadline.put_off(storage.until)
    share_arenas()
    keep_out()
    # Loads the Go library, which is why the pipes are elsewhere by now.
    from whatsapp_mcp.client.process import ClientProcess

    loop = asyncio.get_running_loop()
    endings: set[asyncio.Task[None]] = set()
    process = ClientProcess(
        arguments.folder,
        storage.keys,
        journal_of(storage),
        arguments.generation,
        arguments.device_name,
        arguments.history,
    )

    def end_softly() -> None:
        endings.add(loop.create_task(process.end(LEADER_GONE_SECONDS)))

    def leader_gone() -> None:
        loop.call_soon_threadsafe(end_softly)
        # In the thread of the pipe: a process whose event loop is stuck ends in time, too.
        time.sleep(LEADER_GONE_SECONDS)
        # Asked only after the first wait: `end` sets it meanwhile, in the loop.
        time.sleep(process.seconds_to_stay)
        os._exit(0)

    async def told(method: str, params: Params) -> None:
        if method == LEASE and deadline is not None:
            deadline.put_off(float(params["until"]))

    async with Peer(
        LeaderReceiveStream(incoming, leader_gone), LeaderSendStream(outgoing), process.call, told
    ) as peer:
        await process.serve(peer)


def main(journal_of: Callable[[ClientStorage], JournalWriter] = file_journal) -> None:
    """Run until told to end or left by the leader; never returns in another way than `os._exit`.

    Args:
        journal_of: Opens the journal, as the leader has said.
    """
    # A dump would put the keys and what has been received on the disk, readable.
    forbid_core_dumps()
    limit_memory(_MEMORY)
    arguments = _arguments()
    incoming, outgoing = take_aside()
    leave_terminal()
    # SQLite makes the library's database with a mode of its own, by which other users could read the keys.
    os.umask(0o077)
    log = logging.StreamHandler(sys.stderr)
    log.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[log])
    code = 1
    try:
        os.chdir(arguments.folder)
        storage = read_storage(incoming)
        claim(Path(FILE_NAME))  # which may have to end the former client
        confine(arguments.folder, storage.certificates, unix_sockets=storage.unix_sockets)
        anyio.run(_run, arguments, storage, journal_of, incoming, outgoing)
    except Fenced:
        logger.warning("client: a newer leader of the account has taken over")
        code = EXIT_FENCED
    except Refused:
        logger.exception("client: the journal takes no events")
        code = EXIT_NO_JOURNAL
    except (EOFError, ImportError, OSError, RuntimeError, StorageError, ValueError, sqlite3.Error):
        logger.exception("client: cannot run")
        code = EXIT_NO_LIBRARY
    except Exception:
        logger.exception("client: failed")
    finally:
        # Not a plain return: the library's threads may refuse to end.
        os._exit(code)


if __name__ == "__main__":
    main()
