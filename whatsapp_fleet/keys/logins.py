"""The login of an account's client process, which fences what the client library writes.

Each account has a schema for the library's tables and a role that owns it. The library knows no epoch, so
each epoch has a login of its own: the role gets another name and another password, and its connections are
ended. The role is found as the owner of its schema: rights, policies and settings are its own under any name.

The library opens its tables by a URL, whose driver (lib/pq) takes a few parameters of its own.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from whatsapp_fleet.database import Database, Session, admit, raise_epoch
from whatsapp_fleet.protocol import TAKEOVER, Lease, Step
from whatsapp_mcp.storage import Fenced, JournalAddress, KeysAddress, StorageError, Unavailable

_PASSWORD_BYTES: Final = 32
_LOOK_AGAIN: Final = 0.02
_OWNER: Final = """
SELECT rolname FROM pg_namespace JOIN pg_roles ON pg_roles.oid = nspowner WHERE nspname = %s
"""
_LEASE: Final = "SELECT epoch FROM whatsapp_mcp.leases WHERE account = %s FOR UPDATE"
_TERMINATE: Final = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE usesysid = (SELECT nspowner FROM pg_namespace WHERE nspname = %s)
"""

_IS_FULL: Final = """
SELECT (SELECT sum(numbackends) FROM pg_stat_database) >= current_setting('max_connections')::int
    - current_setting('superuser_reserved_connections')::int
    - coalesce(current_setting('reserved_connections', true), '0')::int
OR EXISTS (
    SELECT FROM pg_roles WHERE rolname = %(role)s AND rolconnlimit BETWEEN 0
        AND (SELECT count(*) FROM pg_stat_activity WHERE usename = %(role)s)
)
"""
_CERTIFICATES: Final = ("sslrootcert", "sslcert", "sslkey")
_STRICT: Final = frozenset({"require", "verify-ca", "verify-full"})
_PARAMETERS: Final = {
    # Values travel with their statement: one round trip instead of two, and nothing to prepare.
    "binary_parameters": "yes",
    "connect_timeout": "10",
    "application_name": "whatsapp-mcp client",
}


class NotFencing(StorageError):
    """A role's password keeps nobody out of this database, or its connections open another schema.

    An operator has to let clients connect directly and by password (`pg_hba.conf`).
    """


@dataclass(frozen=True, slots=True)
class Login:
    """With what the client process of one epoch connects.

    Attributes:
        role: Its name.
        password: In no repr.
        schema: Where the library's tables are.
    """

    role: str
    password: str = field(repr=False)
    schema: str


def schema_of(account: str) -> str:
    """The schema of an account's keys."""
    return f"keys_{account}"


def prepare(session: Session, account: str) -> None:
    """Make the schema and the role of an account, which nobody can log in with yet; once is enough.

    The role that is connected becomes a member of it: it ends connections, and empties the schema.

    Raises:
        psycopg.Error: The role that is connected may not create roles, or schemas in this database.
    """
    schema = schema_of(account)
    with session.transaction():
        # So that two processes that prepare it do it one after the other.
        session.execute(_LEASE, [account])
        if session.execute(_OWNER, [schema]).fetchone() is not None:
            return
        role = _role(session, account, 0)
        name = sql.Identifier(role)
        # Its connections are those of the library, of the journal and of the leader that reads the keys.
        for statement in (
            "CREATE ROLE {} LOGIN CONNECTION LIMIT 20",
            "ALTER ROLE {} SET synchronous_commit = 'on'",
            "GRANT {} TO CURRENT_USER",
        ):
            session.execute(sql.SQL(statement).format(name))
        for statement in ("CREATE SCHEMA {} AUTHORIZATION {}", "ALTER ROLE {1} SET search_path = {0}"):
            session.execute(sql.SQL(statement).format(sql.Identifier(schema), name))
        admit(session, account, role)


def with_login(database: Database, login: Login) -> Database:
    """The database for who reads or writes the keys of an account.

    The account's role can make what it likes of its schema: views, rules, triggers and policies whose code
    runs as whoever reads or writes there. So nobody does with other rights than the account's; `SET ROLE`
    would not do, since such code can undo it.

    Connections with this login are fenced as those of the client are: a takeover renames the role, so that
    nobody connects with the former login any more, and ends the connections that there are before it reads
    a key. What a former leader has committed by then is as what its client has written.
    """
    url = make_conninfo(database.url, user=login.role, password=login.password)
    return replace(database, url=url)


def empty_schema(session: Session, account: str) -> None:
    """Delete whatever is in the schema of an account, in the transaction that is open.

    Deleting runs no code of the account's.
    """
    schema = schema_of(account)
    if (owner := session.execute(_OWNER, [schema]).fetchone()) is not None:
        name, role = sql.Identifier(schema), sql.Identifier(owner[0])
        session.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(name))
        session.execute(sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(name, role))


def change_login(session: Session, account: str, epoch: int) -> Login:
    """Rename the role and give it a new password: nobody who had the former login connects again.

    The name changes as well, since a connection whose authentication has begun may go on with the former
    password for up to `authentication_timeout`; the server looks up the name once more after that.

    Raises:
        Fenced: The account has a newer epoch; nothing was changed.
    """
    schema, password = schema_of(account), secrets.token_urlsafe(_PASSWORD_BYTES)
    while True:
        session.warned = False
        role = _changed_login(session, account, epoch, password)
        if not session.warned:
            return Login(role, password, schema)


def _changed_login(session: Session, account: str, epoch: int, password: str) -> str:
    role = _role(session, account, epoch)
    # The server hears and logs no password, only what it can check one with.
    verifier = session.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    with session.transaction():
        lease = session.execute(_LEASE, [account]).fetchone()
        owner = session.execute(_OWNER, [schema_of(account)]).fetchone()
        if lease is None or owner is None or lease[0] != epoch:
            raise Fenced("A newer leader of the account has raised its epoch.")
        if owner[0] != role:
            session.execute(
                sql.SQL("ALTER ROLE {} RENAME TO {}").format(sql.Identifier(owner[0]), sql.Identifier(role))
            )
        session.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier))
        )
    return role


def terminate_backends(session: Session, database: Database, account: str) -> None:
    """End the connections of the role until none remains: what they wrote is final then.

    Raises:
        Unavailable: One does not end.
    """
    until = database.monotonic() + database.patience
    while (row := session.execute(_TERMINATE, [schema_of(account)]).fetchone()) is None or row[0]:
        if database.monotonic() >= until:
            raise Unavailable("A connection of the account's former client does not end.")
        database.sleep(_LOOK_AGAIN)


def check_login(session: Session, login: Login) -> None:
    """Check that a login admits only those who have the password, and that it opens its own schema.

    A database that trusts everybody would be fenced by nothing. A pooler that shares connections gives them
    to accounts that they do not belong to.

    Raises:
        NotFencing: It is otherwise.
        Unavailable: No connection is left.
        psycopg.OperationalError: The database does not answer any more, or not in time.
    """
    try:
        _connect_as(session, login.role, secrets.token_urlsafe(_PASSWORD_BYTES)).close()
    except psycopg.OperationalError:
        pass
    else:
        raise NotFencing("The database lets in an account's role with a wrong password.")
    try:
        with _connect_as(session, login.role, login.password) as own:
            row = own.execute("SELECT current_schema(), session_user::text").fetchone()
    except psycopg.OperationalError:
        if session.monotonic() >= session.deadline:
            raise
        # A database that has gone away, or that takes no further connection, has refused nobody. The driver
        # does not say why it was refused, but for a sentence in the language of the server.
        if session.execute(_IS_FULL, {"role": login.role}).fetchone() == (True,):
            raise Unavailable("The database has no connection left for an account's client.") from None
        raise NotFencing("The database does not let in an account's role with its password.") from None
    if row != (login.schema, login.role):
        raise NotFencing("A connection with an account's login opens another schema than that account's.")


def _connect_as(session: Session, role: str, password: str) -> Session:
    """A connection whose answers are waited for no longer than those of the given one."""
    # Without the options of ours, as the client library connects.
    location = make_conninfo(session.info.dsn, user=role, password=password, options="")
    opened = Session.connect(location, autocommit=True)
    opened.monotonic, opened.deadline = session.monotonic, session.deadline
    return opened


def fence(session: Session, database: Database, account: str, seen: Lease, run: str) -> Login | None:
    """Take an account over, as far as its keys are concerned; None if it is refused.

    When this returns, nothing writes the keys until somebody uses the login, and no former leader can append.
    A process that is killed in between is finished by the next run that takes the account over, or by the
    same one when it repeats the call.

    Args:
        seen: The lease on which the run decided to take the account.
        run: Who takes it.

    Raises:
        Fenced: A newer leader came in between.
        Unavailable: A connection does not end, or none is left.
        NotFencing: See `check_login`.
    """
    lease: Lease | None = None
    login: Login | None = None
    for step in TAKEOVER:
        match step:
            case Step.RAISE_EPOCH:
                lease = raise_epoch(session, account, seen, run)
                if lease is None:
                    return None
            case Step.CHANGE_LOGIN:
                assert lease is not None
                login = change_login(session, account, lease.epoch)
            case Step.TERMINATE_BACKENDS:
                assert login is not None
                terminate_backends(session, database, account)
                check_login(session, login)
                # One that was let in by its former name is listed a moment after that, by now at the latest.
                terminate_backends(session, database, account)
            case _:  # after the keys
                pass
    return login


def _role(session: Session, account: str, epoch: int) -> str:
    """The role's name in an epoch. Roles are common to all databases of a server, so it names this one."""
    row = session.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchone()
    assert row is not None
    return f"wa_{row[0]}_{account}_{epoch}"


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
