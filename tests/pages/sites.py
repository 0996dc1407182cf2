"""Every page there is, by a name of its own."""

from __future__ import annotations

from tests.web.world import ANN, CLUB, EVE
from whatsapp_mcp.archive import ReadingArchive


async def paths(archive: ReadingArchive) -> dict[str, str]:
    """The paths of all pages of the world."""
    document = (await archive.message("A5")).ref
    return {
        "connection": "/",
        "approvals": "/approvals",
        "chats": "/chats",
        "chats-none": "/chats?q=nobody",
        "chat": f"/chats/{ANN}",
        "chat-group": f"/chats/{CLUB}",
        "chat-hostile": f"/chats/{EVE}",
        "message": f"/message/{document}",
        "search-empty": "/search",
        "search": "/search?q=deposit",
        "people": "/people",
        "person": f"/people/{ANN}",
        "person-stranger": f"/people/{EVE}",
        "scheduled": "/scheduled",
        "acts": "/acts",
        "acts-readings": "/acts?show=readings",
        "acts-verify": "/acts/verify",
        "agents": "/agents",
        "settings": "/settings",
        "settings-try": f"/settings/try?tool=send_message&chat={EVE}",
        "tokens": "/tokens",
        "token-revoke": "/tokens/n8n/revoke",
        "unlink": "/unlink",
        "no-page": "/nothing-here",
        "not-there": "/chats/1@s.whatsapp.net",
    }
