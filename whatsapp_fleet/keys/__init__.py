"""The client library's keys in PostgreSQL: a schema and a login role for each account, and their fence."""

from whatsapp_fleet.keys.key_store import PostgresKeys
from whatsapp_fleet.keys.logins import (
    Login,
    NotFencing,
    change_login,
    check_login,
    empty_schema,
    fence,
    journal_address,
    keys_address,
    prepare,
    schema_of,
    terminate_backends,
    with_login,
)
from whatsapp_fleet.keys.plain_tables import lock_plain

__all__ = [
    "Login",
    "NotFencing",
    "PostgresKeys",
    "change_login",
    "check_login",
    "empty_schema",
    "fence",
    "journal_address",
    "keys_address",
    "lock_plain",
    "prepare",
    "schema_of",
    "terminate_backends",
    "with_login",
]
