"""The toolset `groups`: groups and communities, their members, and invites to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatsapp_mcp.server.tools.groups.groups import (
    add_to_community,
    create_group,
    get_group,
    leave_group,
    remove_from_community,
    update_group,
)
from whatsapp_mcp.server.tools.groups.members import (
    add_group_members,
    get_group_invite,
    join_group,
    list_join_requests,
    remove_group_members,
    reset_group_invite,
    set_group_admins,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whatsapp_mcp.server.calls import ToolFunction

TOOLS: Sequence[ToolFunction] = (
    get_group,
    create_group,
    update_group,
    add_group_members,
    remove_group_members,
    set_group_admins,
    get_group_invite,
    reset_group_invite,
    join_group,
    leave_group,
    list_join_requests,
    add_to_community,
    remove_from_community,
)
