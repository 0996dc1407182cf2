"""URLs that the client library opens: its driver (lib/pq) takes a few parameters of its own."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlencode

from psycopg.conninfo import make_conninfo

from whatsapp_fleet.database import Session
from whatsapp_fleet.keys.logins import Login
from whatsapp_mcp.storage import JournalAddress, KeysAddress

_CERTIFICATES: Final = ("sslrootcert", "sslcert", "sslkey")
_STRICT: Final = frozenset({"require", "verify-ca", "verify-full"})
_PARAMETERS: Final = {
    # Values travel with their statement: one round trip instead of two, and nothing to prepare.
    "binary_parameters": "yes",
    "connect_timeout": "10",
    "application_name": "whatsapp-mcp client",
}


def keys_address(session: Session, login: Login) -> KeysAddress:
    """The address of an account's keys: the server of this connection, with the account's login."""
    given = session.info.get_parameters()
    mode = given.get("sslmode", "")
    if mode not in _STRICT:
        mode = "require" if session.pgconn.ssl_in_use else "disable"
    parameters = {**_PARAMETERS, "sslmode": mode, "port": str(session.info.port)}
    if mode != "disable":
        parameters |= {name: given[name] for name in _CERTIFICATES if name in given}
    host, database = session.info.host, quote(session.info.dbname, safe="")
    if host.startswith("/"):  # a folder with its socket
        parameters["host"], host = host, ""
    user, password = quote(login.role, safe=""), quote(login.password, safe="")
    return KeysAddress(f"postgres://{user}:{password}@{host}/{database}?{urlencode(parameters)}")


def journal_address(
    session: Session, login: Login, account: str, epoch: int, *, allow_asynchronous: bool = False
) -> JournalAddress:
    """The journal of an account, for its client process, which may do nothing there but append."""
    location = make_conninfo(
        session.info.dsn,
        user=login.role,
        password=login.password,
        host=session.info.host,
        port=session.info.port,
    )
    return JournalAddress(location, account, epoch, allow_asynchronous)
