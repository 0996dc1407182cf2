"""The role of replicas, with what docs/fleet/operations.md grants it."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Final

import psycopg

from tests.docs.examples import examples
from tests.fleet.postgres import PASSWORD, PostgresServer

PAGE: Final = Path(__file__).parents[3] / "docs" / "fleet" / "operations.md"


def documented(role: str) -> str:
    """The statements of the page, for a role of this name."""
    [block] = [example.body for example in examples(PAGE) if "CREATE ROLE replica" in example.body]
    return re.sub(r"\breplica\b", role, block).replace("another long one", PASSWORD)


def replicas_url(server: PostgresServer, url: str) -> str:
    """The address of a database that has its tables, for a new role of replicas.

    Args:
        server: Where it is.
        url: Its address for a node.
    """
    role = f"replica_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(documented(role).encode())
    return server.url(url.rpartition("/")[2], role)
