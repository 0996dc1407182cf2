"""The tables. Changing them is a new entry of `MIGRATIONS`; one that has been released never changes."""

from __future__ import annotations

from typing import Final

from whatsapp_fleet.database.migrations import Migration, Right

SCHEMA: Final = "whatsapp_mcp"

MIGRATIONS: Final = (
    Migration(
        version=1,
        needs=1,
        statements=(
            """
            CREATE TABLE whatsapp_mcp.runs (
                run     text PRIMARY KEY,
                node    text NOT NULL,
                program integer NOT NULL,
                counter bigint NOT NULL DEFAULT 0,
                ended   boolean NOT NULL DEFAULT false
            ) WITH (fillfactor = 50)
            """,
            """
            CREATE TABLE whatsapp_mcp.leases (
                account text PRIMARY KEY,
                run     text REFERENCES whatsapp_mcp.runs,
                epoch   bigint NOT NULL DEFAULT 0
            ) WITH (fillfactor = 50)
            """,
            # Each append changes one row: pages with room keep its versions in one page (HOT).
            """
            CREATE TABLE whatsapp_mcp.heads (
                account text NOT NULL REFERENCES whatsapp_mcp.leases,
                stream  text NOT NULL CHECK (stream IN ('journal', 'log')),
                epoch   bigint NOT NULL DEFAULT 0,
                writer  integer NOT NULL DEFAULT 0,
                seq     bigint NOT NULL DEFAULT 0,
                PRIMARY KEY (account, stream)
            ) WITH (fillfactor = 10)
            """,
            """
            CREATE TABLE whatsapp_mcp.journal (
                account     text NOT NULL,
                seq         bigint NOT NULL,
                epoch       bigint NOT NULL,
                n           bigint NOT NULL,
                generation  bigint NOT NULL,
                received_at bigint NOT NULL,
                code        integer NOT NULL,
                payload     bytea NOT NULL,
                PRIMARY KEY (account, seq),
                CONSTRAINT journal_stamp UNIQUE (account, epoch, n)
            )
            """,
            """
            CREATE TABLE whatsapp_mcp.log (
                account text NOT NULL,
                seq     bigint NOT NULL,
                epoch   bigint NOT NULL,
                n       bigint NOT NULL,
                body    bytea NOT NULL,
                PRIMARY KEY (account, seq),
                CONSTRAINT log_stamp UNIQUE (account, epoch, n)
            )
            """,
            # Events and bodies are short and stored once: compressing them costs more than it saves.
            "ALTER TABLE whatsapp_mcp.journal ALTER payload SET STORAGE EXTERNAL",
            "ALTER TABLE whatsapp_mcp.log ALTER body SET STORAGE EXTERNAL",
            "ALTER TABLE whatsapp_mcp.heads ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE whatsapp_mcp.journal ENABLE ROW LEVEL SECURITY",
        ),
    ),
    Migration(
        version=2,
        needs=1,
        statements=(
            # The epoch is that of the leader that has put it: another one's parts are not mixed into it.
            """
            CREATE TABLE whatsapp_mcp.snapshots (
                account  text NOT NULL,
                seq      bigint NOT NULL,
                epoch    bigint NOT NULL,
                hash     text NOT NULL,
                position bigint NOT NULL,
                parts    integer NOT NULL,
                PRIMARY KEY (account, seq, epoch)
            )
            """,
            """
            CREATE TABLE whatsapp_mcp.snapshot_parts (
                account text NOT NULL,
                seq     bigint NOT NULL,
                epoch   bigint NOT NULL,
                part    integer NOT NULL,
                body    bytea NOT NULL,
                PRIMARY KEY (account, seq, epoch, part)
            )
            """,
            "ALTER TABLE whatsapp_mcp.snapshot_parts ALTER body SET STORAGE EXTERNAL",
            """
            CREATE TABLE whatsapp_mcp.snapshot_pointers (
                account text PRIMARY KEY,
                seq     bigint NOT NULL,
                epoch   bigint NOT NULL,
                FOREIGN KEY (account, seq, epoch) REFERENCES whatsapp_mcp.snapshots
            )
            """,
        ),
    ),
    Migration(
        version=3,
        needs=1,
        statements=(
            # Where other processes reach a run, how many accounts it leads, and whether it takes more. An
            # address on loopback means something in the network of one machine alone.
            """
            ALTER TABLE whatsapp_mcp.runs
                ADD COLUMN address  text NOT NULL DEFAULT '',
                ADD COLUMN machine  text NOT NULL DEFAULT '',
                ADD COLUMN capacity integer NOT NULL DEFAULT 0,
                ADD COLUMN draining boolean NOT NULL DEFAULT false,
                ADD COLUMN since    timestamptz NOT NULL DEFAULT now()
            """,
            # What operators and tenants say of an account. `settings` is TOML: the sections of an account.
            # A node that starts it waits for `not_before`, which failures in a row put off. `made` is another
            # value for each account that comes under a name: by it nodes know whose files they have.
            """
            CREATE TABLE whatsapp_mcp.accounts (
                account    text PRIMARY KEY REFERENCES whatsapp_mcp.leases,
                state      text NOT NULL DEFAULT 'active'
                    CHECK (state IN ('active', 'drained', 'quarantined', 'moved')),
                settings   text NOT NULL DEFAULT '',
                failures   integer NOT NULL DEFAULT 0,
                failed_runs text[] NOT NULL DEFAULT '{}',
                made       text NOT NULL DEFAULT gen_random_uuid()::text,
                not_before timestamptz NOT NULL DEFAULT '-infinity',
                reason     text NOT NULL DEFAULT ''
            )
            """,
            "INSERT INTO whatsapp_mcp.accounts (account) SELECT account FROM whatsapp_mcp.leases",
            # Small files that the next leader needs as the last one left them. `n` counts the writes of one
            # epoch: one whose connection was lost may be executed after a later one.
            """
            CREATE TABLE whatsapp_mcp.account_files (
                account text NOT NULL REFERENCES whatsapp_mcp.leases,
                name    text NOT NULL,
                epoch   bigint NOT NULL,
                n       bigint NOT NULL,
                content bytea NOT NULL,
                PRIMARY KEY (account, name)
            )
            """,
            # The writes to the account's ledger, as statements.
            "ALTER TABLE whatsapp_mcp.heads DROP CONSTRAINT heads_stream_check",
            """
            ALTER TABLE whatsapp_mcp.heads ADD CONSTRAINT heads_stream_check
                CHECK (stream IN ('journal', 'log', 'ledger'))
            """,
            """
            INSERT INTO whatsapp_mcp.heads (account, stream, epoch)
            SELECT account, 'ledger', epoch FROM whatsapp_mcp.leases
            """,
            """
            CREATE TABLE whatsapp_mcp.ledger (
                account text NOT NULL,
                seq     bigint NOT NULL,
                epoch   bigint NOT NULL,
                n       bigint NOT NULL,
                body    bytea NOT NULL,
                PRIMARY KEY (account, seq),
                CONSTRAINT ledger_stamp UNIQUE (account, epoch, n)
            )
            """,
            """
            CREATE TABLE whatsapp_mcp.ledger_snapshots (
                account text PRIMARY KEY,
                seq     bigint NOT NULL,
                epoch   bigint NOT NULL,
                body    bytea NOT NULL
            )
            """,
            # An account's own client writes its events, and a leader holds one in memory.
            """
            ALTER TABLE whatsapp_mcp.journal ADD CONSTRAINT journal_size
                CHECK (octet_length(payload) <= 134217728)
            """,
            # Files that cannot be had again, by their names. `object` is where the content is in an object
            # store; if it is empty, the content is in the parts.
            """
            CREATE TABLE whatsapp_mcp.files (
                account   text NOT NULL REFERENCES whatsapp_mcp.leases,
                name      text NOT NULL,
                size      bigint NOT NULL,
                object    text NOT NULL DEFAULT '',
                stored_at timestamptz NOT NULL DEFAULT now(),
                PRIMARY KEY (account, name)
            )
            """,
            """
            CREATE TABLE whatsapp_mcp.file_parts (
                account text NOT NULL,
                name    text NOT NULL,
                part    integer NOT NULL,
                body    bytea NOT NULL,
                PRIMARY KEY (account, name, part)
            )
            """,
            "ALTER TABLE whatsapp_mcp.snapshots ADD COLUMN object text NOT NULL DEFAULT ''",
            # The object stores in which an account ever had anything: their identities and their URLs.
            """
            CREATE TABLE whatsapp_mcp.account_stores (
                account text NOT NULL REFERENCES whatsapp_mcp.leases,
                store   text NOT NULL,
                url     text NOT NULL,
                PRIMARY KEY (account, store)
            )
            """,
            "ALTER TABLE whatsapp_mcp.ledger ALTER body SET STORAGE EXTERNAL",
            "ALTER TABLE whatsapp_mcp.ledger_snapshots ALTER body SET STORAGE EXTERNAL",
            "ALTER TABLE whatsapp_mcp.file_parts ALTER body SET STORAGE EXTERNAL",
            # Who may use accounts; of a token only its hash. Without accounts: all of them.
            """
            CREATE TABLE whatsapp_mcp.principals (
                name             text PRIMARY KEY,
                token_hash       bytea UNIQUE,
                accounts         text[],
                scopes           text[] NOT NULL DEFAULT '{}',
                calls_per_minute integer CHECK (calls_per_minute > 0),
                created_at       timestamptz NOT NULL DEFAULT now(),
                revoked_at       timestamptz
            )
            """,
            # How often each principal has called at each replica in a minute. It need not outlive a crash.
            """
            CREATE UNLOGGED TABLE whatsapp_mcp.principal_calls (
                name    text NOT NULL REFERENCES whatsapp_mcp.principals ON DELETE CASCADE,
                minute  bigint NOT NULL,
                replica text NOT NULL,
                calls   integer NOT NULL,
                PRIMARY KEY (name, minute, replica)
            )
            """,
            # What remains of an account that was forgotten: by this hash nodes find copies of it.
            """
            CREATE TABLE whatsapp_mcp.forgotten (
                name_hash    text PRIMARY KEY,
                forgotten_at timestamptz NOT NULL DEFAULT now()
            )
            """,
            # For a trigger on an account's identity keys, see `fleet.keys.key_store`: no row is written again
            # that is there already. It is found neither by another name nor with other operators than those
            # of the system.
            """
            CREATE FUNCTION whatsapp_mcp.skip_stored_identity() RETURNS trigger LANGUAGE plpgsql
            SET search_path = pg_catalog AS $body$
            DECLARE
                is_stored boolean;
            BEGIN
                EXECUTE format(
                    'SELECT EXISTS ('
                    'SELECT FROM %I.%I WHERE our_jid = $1 AND their_id = $2 AND identity = $3)',
                    TG_TABLE_SCHEMA, TG_TABLE_NAME
                ) INTO is_stored USING NEW.our_jid, NEW.their_id, NEW.identity;
                RETURN CASE WHEN is_stored THEN NULL ELSE NEW END;
            END $body$
            """,
            # What replicas share: with it they seal what hosts bring back to whichever of them.
            """
            CREATE TABLE whatsapp_mcp.secrets (
                name    text PRIMARY KEY,
                content bytea NOT NULL
            )
            """,
        ),
    ),
)
"""Migrations that make the tables of the newest version from nothing."""

REPLICA_RIGHTS: Final = frozenset(
    Right(table, privilege)
    for table, privileges in {
        "migrations": ("SELECT",),
        "runs": ("SELECT",),
        "leases": ("SELECT",),
        "accounts": ("SELECT",),
        "principals": ("SELECT",),
        # The first replica makes the secret that all share.
        "secrets": ("SELECT", "INSERT"),
        "principal_calls": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    }.items()
    for privilege in privileges
)
"""All that a replica needs: it faces the Internet, so its role can read no message and no key."""
