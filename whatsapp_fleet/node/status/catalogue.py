"""The metrics of a node of a fleet, beside those of its accounts; the node has their values."""

from __future__ import annotations

from typing import Final

from whatsapp_mcp.features.metrics import ACCOUNT, Metric

NODE_LEASE: Final = Metric(
    "node_lease_seconds", "gauge", "How long this node may act unless its lease is renewed; 0 without one."
)
NODE_DATABASE: Final = Metric("node_database_up", "gauge", "Whether the database answers this node.")
NODE_COMMIT: Final = Metric(
    "node_commit_seconds",
    "gauge",
    "How long this node's last renewal took to commit, with the wait for the standby.",
)
NODE_CAPACITY: Final = Metric("node_capacity", "gauge", "How many accounts this node leads at most.")
NODE_ACCOUNTS: Final = Metric(
    "node_accounts", "gauge", "Accounts that this node leads, takes over or gives up, by state.", ("state",)
)
NODE_TAKEOVERS: Final = Metric(
    "node_takeovers_total",
    "counter",
    "Accounts that this node has taken over, with a copy of the archive (warm) or without (cold).",
    ("how",),
)
NODE_FENCED: Final = Metric(
    "node_fenced_total", "counter", "How often this node was refused by a newer leader of an account."
)
NODE_REWOUND: Final = Metric(
    "node_rewound_total", "counter", "How often the database lacked what it had confirmed to this node."
)
NODE_CERTIFICATE: Final = Metric(
    "node_certificate_expires_timestamp_seconds", "gauge", "When this node's certificate expires."
)
TAKEOVER_SECONDS: Final = Metric(
    "account_takeover_seconds", "gauge", "How long the last takeover of the account has taken.", (ACCOUNT,)
)
EPOCH: Final = Metric(
    "account_epoch", "gauge", "Number of the account's leaderships; grows with each takeover.", (ACCOUNT,)
)
LOG_ROWS: Final = Metric(
    "log_rows_since_snapshot",
    "gauge",
    "Operations that a node without a copy would apply after the newest snapshot.",
    (ACCOUNT,),
)
COPY_AGE: Final = Metric(
    "copy_age_seconds",
    "gauge",
    "How old this node's copy of an account is.",
    (ACCOUNT,),
)
FLEET_NODES: Final = Metric("fleet_nodes", "gauge", "Nodes whose leases have not ended.")
FLEET_CAPACITY: Final = Metric("fleet_capacity", "gauge", "How many accounts these nodes lead at most.")
FLEET_ACCOUNTS: Final = Metric("fleet_accounts", "gauge", "Accounts in the database, by state.", ("state",))
FLEET_UNLED: Final = Metric(
    "fleet_accounts_without_leader", "gauge", "Active accounts that no node leads and that need not rest."
)
FLEET_RESTING: Final = Metric(
    "fleet_accounts_backing_off", "gauge", "Active accounts that rest after failures of their leaders."
)
STANDBYS: Final = Metric(
    "database_synchronous_standbys",
    "gauge",
    "Synchronous standbys of the database; needs a role with `pg_read_all_stats`.",
)

FLEET_METRICS: Final = tuple(value for value in vars().copy().values() if isinstance(value, Metric))
"""All of them, in the order in which they are declared."""
