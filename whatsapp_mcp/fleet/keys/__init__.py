"""The client library's keys in PostgreSQL: a schema and a login role for each account, and their fence."""

from whatsapp_mcp.fleet.keys.addresses import journal_address, keys_address
from whatsapp_mcp.fleet.keys.key_store import PostgresKeys
from whatsapp_mcp.fleet.keys.logins import (
    Login,
    NotFencing,
    change_login,
    check_login,
    fence,
    prepare,
    schema_of,
    terminate_backends,
)

__all__ = [
    "Login",
    "NotFencing",
    "PostgresKeys",
    "change_login",
    "check_login",
    "fence",
    "journal_address",
    "keys_address",
    "prepare",
    "schema_of",
    "terminate_backends",
]
