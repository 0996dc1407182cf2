"""PostgreSQL for the tests of a fleet."""

from tests.fleet.postgres import database, pair, postgres

__all__ = ["database", "pair", "postgres"]
