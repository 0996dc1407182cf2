"""Words that no page shows: addresses of the protocol, and the backquotes of our own sentences."""

from __future__ import annotations

import re
from pathlib import Path

import httpx2
import pytest

from tests.archive import events as ev
from tests.pages.sites import paths
from tests.server.fakes import FakeDevice, ledger_in
from tests.tables import for_each
from tests.web.site import PageDevice, Source, Texts, browser
from tests.web.world import NOON, fill
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.ledger import AuditEntry, Exposure
from whatsapp_mcp.models import AgentChat, AgentStatus, Caller, ConnectionState
from whatsapp_mcp.settings import Settings
from whatsapp_mcp.web.formats import called, prose, unnamed, who

pytestmark = pytest.mark.anyio
UNKNOWN = "271828182845904@lid"
GROUP = "120363000000000099@g.us"
NEVER_SEEN = "120363000000000098@g.us", "314159265358979@lid"
ADDRESS = re.compile(r"\S+@(?:s\.whatsapp\.net|lid|g\.us|newsletter)\b|\b(?:271828|314159|1203630{6})\d*")


async def test_no_page_shows_an_address(tmp_path: Path, device: PageDevice):
    folder = Settings(home=tmp_path).account_folder()
    folder.create()
    device.agents = AgentStatus((AgentChat(UNKNOWN, "", "command", 1),), (), 0.0)
    async with open_archive(folder, write=True, now=lambda: NOON) as archive:
        await fill(archive)
        at = int(NOON.timestamp())
        said = [
            ev.message("L1", "hello", at=at, chat=UNKNOWN),
            ev.message("L2", "hello, all", at=at, chat=GROUP, sender=UNKNOWN),
        ]
        await archive.ingest(ev.journal(said, after=1000))
        audit = ledger_in(tmp_path).audit
        agent = Caller(f"chat:{UNKNOWN}", tool="send_message")
        await audit.note(AuditEntry(agent, "send", (UNKNOWN, GROUP, *NEVER_SEEN), outcome="DENIED"))
        await ledger_in(tmp_path).expose(f"chat:{UNKNOWN}", Exposure.STRANGER)
        async with browser(Source(device, tmp_path, archive)) as http:
            further = {
                "unknown": f"/chats/{UNKNOWN}",
                "group": f"/chats/{GROUP}",
                "they": f"/people/{UNKNOWN}",
            }
            for name, path in ({**await paths(archive), **further}).items():
                if "token-" not in name:
                    answer = await http.get(path)
                    assert (answer.status_code == 404) == (name in ("not-there", "no-page")), path
                    page = answer.text
                    shown = [text for text, _ in Texts(page).found] + re.findall(
                        r'aria-label="([^"]*)"', page
                    )
                    assert [text for text in shown if ADDRESS.search(text)] == [], path


@for_each("state", ConnectionState)
async def test_commands_in_what_a_state_recommends_are_no_text_in_backquotes(
    http: httpx2.AsyncClient, source: Source, state: ConnectionState
):
    source.device = FakeDevice(state, "+15550001111")

    page = (await http.get("/")).text

    assert "`" not in page


async def test_a_command_in_an_error_is_code(http: httpx2.AsyncClient):
    page = (await http.get("/login")).text

    assert "run <code>whatsapp-mcp page</code> in a terminal" in page


@for_each(
    "text, shown",
    [
        ("Run `a <b>`, then `c`.", "Run <code>a &lt;b&gt;</code>, then <code>c</code>."),
        ("`a`", "<code>a</code>"),
        ("It's 5 ` <", "It&#x27;s 5 ` &lt;"),
        ("", ""),
    ],
)
def test_pairs_of_backquotes_become_code_and_the_rest_is_escaped(text: str, shown: str):
    assert prose(text) == shown


@for_each(
    "jid, shown",
    [
        ("15550000001@s.whatsapp.net", "+15550000001"),
        (GROUP, "a group …0099"),
        ("1@newsletter", "a channel …1"),
        (UNKNOWN, "somebody …5904"),
    ],
)
def test_a_chat_without_a_name_is_called_by_its_number_or_its_kind(jid: str, shown: str):
    assert unnamed(jid) == shown
    assert who(f"chat:{jid}") == f"agent of {shown}"


def test_names_and_other_callers_stay_as_they_are():
    assert who("token:n8n") == "token:n8n"
    assert called("ann@example.org") == "ann@example.org"
    assert called(GROUP) == "a group …0099"
