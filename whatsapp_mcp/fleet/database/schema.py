"""The tables. Changing them is a new entry of `MIGRATIONS`; one that has been released never changes."""

from __future__ import annotations

from typing import Final

from whatsapp_mcp.fleet.database.migrations import Migration

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
)
"""What makes the tables of the newest version, from none."""
