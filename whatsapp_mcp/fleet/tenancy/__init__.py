"""What operators do with a fleet's database: accounts, who may use them, and forgetting one for good."""

from whatsapp_mcp.fleet.tenancy.accounts import (
    AccountRow,
    AccountState,
    RunRow,
    account_row,
    account_rows,
    create_account,
    drain_node,
    run_rows,
    set_account_settings,
    set_account_state,
)
from whatsapp_mcp.fleet.tenancy.forgetting import (
    ACCOUNT_TABLES,
    FORGETTING,
    forget_account,
    forgotten_among,
    remains,
)
from whatsapp_mcp.fleet.tenancy.principals import (
    SUBJECT,
    CallCounts,
    PrincipalRow,
    change_principal,
    count_calls,
    create_principal,
    hash_of,
    principal_rows,
    revoke_principal,
)
from whatsapp_mcp.fleet.tenancy.sessions import KeptSession, operator_session

__all__ = [
    "ACCOUNT_TABLES",
    "FORGETTING",
    "SUBJECT",
    "AccountRow",
    "AccountState",
    "CallCounts",
    "KeptSession",
    "PrincipalRow",
    "RunRow",
    "account_row",
    "account_rows",
    "change_principal",
    "count_calls",
    "create_account",
    "create_principal",
    "drain_node",
    "forget_account",
    "forgotten_among",
    "hash_of",
    "operator_session",
    "principal_rows",
    "remains",
    "revoke_principal",
    "run_rows",
    "set_account_settings",
    "set_account_state",
]
