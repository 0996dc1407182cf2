"""Connections and transactions of operators: what they answer is durable."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import psycopg

from whatsapp_fleet.database import Database, Session, connect, kind_of
from whatsapp_mcp.storage import Unavailable

T = TypeVar("T")


@contextmanager
def operator_session(database: Database) -> Iterator[Session]:
    """A connection for one act of an operator.

    Raises:
        NotDurable: The database may lose what it confirms.
        Unavailable: It does not answer within its patience, or refuses; also from within the body.
    """
    try:
        with connect(database) as session:
            yield session
    except psycopg.Error as error:
        raise _unavailable(error) from None


class KeptSession:
    """A connection for work that comes again and again; it is opened again after it has failed.

    Args:
        database: Where.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._session: Session | None = None

    def run(self, work: Callable[[Session], T]) -> T:
        """Run `work` within the patience of the database, and return its answer.

        Raises:
            NotDurable: As `operator_session`.
            Unavailable: As `operator_session`.
        """
        try:
            if self._session is None:
                self._session = connect(self._database)
            self._session.deadline = self._database.monotonic() + self._database.patience
            return work(self._session)
        except psycopg.Error as error:
            self.close()
            raise _unavailable(error) from None

    def close(self) -> None:
        """Close the connection; the next work opens another."""
        if self._session is not None:
            self._session.close()
            self._session = None


def _unavailable(error: psycopg.Error) -> Unavailable:
    """The error without its sentence, which may quote values."""
    return Unavailable(f"The database did not do what was asked ({kind_of(error)}).")


def durably(session: Session, work: Callable[[], T]) -> T:
    """Run `work` in a transaction, again while its commit did not wait for the standby; return its answer.

    Args:
        session: Over which it works.
        work: Writes the same when it is done again.
    """
    while True:
        session.warned = False
        with session.transaction():
            answer = work()
        if not session.warned:
            return answer
