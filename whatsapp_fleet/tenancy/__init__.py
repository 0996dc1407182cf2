"""Operators' work on a fleet's database: accounts, who may use them, and forgetting one for good."""

from whatsapp_fleet.tenancy.accounts import (
    AccountOverview,
    NodeOverview,
    account_overview,
    account_overviews,
    create_account,
    drain_node,
    node_overviews,
    set_account_settings,
    set_account_state,
)
from whatsapp_fleet.tenancy.forgetting import (
    ACCOUNT_TABLES,
    FORGETTING,
    forget_account,
    forgotten_among,
    gone_among,
    remains,
    require_new_name,
)
from whatsapp_fleet.tenancy.principals import (
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
from whatsapp_fleet.tenancy.sessions import KeptSession, operator_session

__all__ = [
    "ACCOUNT_TABLES",
    "FORGETTING",
    "SUBJECT",
    "AccountOverview",
    "CallCounts",
    "KeptSession",
    "NodeOverview",
    "PrincipalRow",
    "account_overview",
    "account_overviews",
    "change_principal",
    "count_calls",
    "create_account",
    "create_principal",
    "drain_node",
    "forget_account",
    "forgotten_among",
    "gone_among",
    "hash_of",
    "node_overviews",
    "operator_session",
    "principal_rows",
    "remains",
    "require_new_name",
    "revoke_principal",
    "set_account_settings",
    "set_account_state",
]
