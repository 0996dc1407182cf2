"""Settings are shown with where they are from, and the policy is tried before it happens."""

from __future__ import annotations

import re

import httpx2
import pytest

from tests.tables import for_each
from tests.web.site import Source
from tests.web.world import EVE

pytestmark = pytest.mark.anyio
FILE = """\
[policy]
mode = "lockdown"

[[policy.chats]]
group = "Family <b>"
send = "ask"

[server]
host = "0.0.0.0"
"""


async def test_settings_are_shown_with_where_they_are_from_and_their_defaults(
    http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, source: Source
):
    monkeypatch.setenv("WHATSAPP_MCP_SERVER__PORT", "9001")
    (source.home / "config.toml").write_text(FILE, encoding="utf-8")
    page = (await http.get("/settings")).text
    rows = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td></tr>", page)
    table = {
        name: tuple(rest)
        for name, *rest in (tuple(re.sub("<.*?>", "", cell) for cell in row) for row in rows)
    }

    assert table["policy.mode"] == ("lockdown", "config.toml", "standard")
    assert table["server.host"] == ("0.0.0.0", "config.toml", "127.0.0.1")
    assert table["server.port"][1] == "environment"
    assert table["media.read"] == ("true", "default", "true")
    assert "Family &lt;b&gt;</strong> · sending: ask" in page
    assert "<form" not in page[page.index("<main") :]
    assert (await http.post("/settings", data={"policy.mode": "open"})).status_code == 405


@for_each(
    "asked, verdict, because",
    [
        ({"tool": "send_message", "chat": "ann lee"}, "It is done.", "familiar"),
        ({"tool": "send_message", "chat": "ann lee", "tainted": "yes"}, "You are asked.", "words were read"),
        ({"tool": "send_message", "chat": EVE}, "You are asked.", "not in the address book"),
        ({"tool": "list_chats"}, "It is done.", "reading"),
    ],
)
async def test_the_policy_is_tried_before_it_happens(
    http: httpx2.AsyncClient, asked: dict[str, str], verdict: str, because: str
):
    page = (await http.get("/settings/try", params=asked)).text

    assert verdict in page
    assert because in page


@pytest.mark.parametrize("asked", [{"tool": "no_tool"}, {"tool": "send_message", "chat": "nobody at all"}])
async def test_what_cannot_be_tried_is_said(http: httpx2.AsyncClient, asked: dict[str, str]):
    assert (await http.get("/settings/try", params=asked)).status_code in {400, 404}
