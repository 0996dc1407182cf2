"""Settings and policy are shown with where they are from, and changed after a confirmation."""

from __future__ import annotations

import html
import re
from pathlib import Path

import httpx2
import pytest

from tests.server.fakes import ledger_in
from tests.web.site import Source, fields
from tests.web.world import EVE

pytestmark = pytest.mark.anyio
FILE = """\
# Mine.
[policy]
mode = "standard"  # not open!

[[policy.chats]]
group = "Family <b>"
send = "ask"
"""


@pytest.fixture
def config(source: Source) -> Path:
    path = source.home / "config.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


async def preview(http: httpx2.AsyncClient, **given: str) -> str:
    """The page that asks about a change."""
    token = fields((await http.get("/settings")).text, "/settings/change")["token"]
    return html.unescape((await http.post("/settings/change", data={"token": token, **given})).text)


async def change(http: httpx2.AsyncClient, **given: str) -> httpx2.Response:
    """Ask for a change and confirm it."""
    return await http.post("/settings/apply", data=fields(await preview(http, **given), "/settings/apply"))


@pytest.mark.usefixtures("config")
async def test_settings_are_shown_with_where_they_are_from(
    http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, source: Source
):
    monkeypatch.setenv("WHATSAPP_MCP_SERVER__PORT", "9001")
    write(source.home / "config.toml", FILE + "[server]\nhost = '0.0.0.0'\n")
    page = (await http.get("/settings")).text
    table = dict(re.findall(r"<td><code>([\w.]+)</code></td><td>.*?</td><td><\w+>([\w.]+)</\w+></td>", page))

    assert table["server.host"] == "config.toml"
    assert table["server.port"] == "environment"
    assert table["media.read"] == "default"
    assert "Family &lt;b&gt;" in page


async def test_a_webhook_is_shown_without_the_path_of_its_url(http: httpx2.AsyncClient, source: Source):
    hook = '[[webhooks]]\nname = "n8n"\nurl = "https://hooks.example.org/s3cret"\nsecrets = ["env:HOOK"]\n'
    write(source.home / "config.toml", hook)
    page = (await http.get("/settings")).text
    assert "n8n: https://hooks.example.org" in page
    assert "s3cret" not in page


async def test_a_change_is_shown_and_written_after_a_yes(
    http: httpx2.AsyncClient, config: Path, source: Source
):
    page = await preview(http, do="set", setting="policy.mode", value="lockdown")
    assert '-mode = "standard"  # not open!' in page
    assert '+mode = "lockdown"  # not open!' in page
    assert text_of(config) == FILE

    answer = await http.post("/settings/apply", data=fields(page, "/settings/apply"))

    assert (answer.status_code, answer.headers["location"]) == (303, "/settings")
    assert text_of(config) == FILE.replace('"standard"', '"lockdown"')
    assert text_of(source.home / "config.toml.before") == FILE
    assert source.current.now().policy.mode == "lockdown"


async def test_a_difference_shows_no_path_of_a_webhook_and_no_password_of_a_proxy(
    http: httpx2.AsyncClient, config: Path
):
    lines = """\
[network]
proxy = "socks5://me:hunter2@proxy.example:1080"
[policy]
mode = "standard"
[[webhooks]]
url = "https://hooks.example.org/secret-path?key=abc"  # was HTTPS://old.example?other-secret
name = "n8n"
secrets = ["env:HOOK"]
"""
    write(config, lines)
    page = await preview(http, do="set", setting="policy.mode", value="lockdown")

    assert 'proxy = "socks5://proxy.example:1080"' in page
    assert 'url = "https://hooks.example.org/…"  # was HTTPS://old.example/…' in page
    await http.post("/settings/apply", data=fields(page, "/settings/apply"))
    assert text_of(config) == lines.replace("standard", "lockdown")


async def test_a_change_is_in_the_record_as_the_persons(http: httpx2.AsyncClient, source: Source):
    await change(http, do="set", setting="policy.audit_text", value="true")

    [row] = ledger_in(source.home).audit.rows()
    assert (row.entry.caller.principal, row.entry.operation, row.entry.way) == (
        "person",
        "change_settings",
        "page",
    )


async def test_a_confirmation_is_void_once_the_file_has_changed(http: httpx2.AsyncClient, config: Path):
    page = await preview(http, do="set", setting="policy.mode", value="lockdown")
    write(config, FILE + "# and more\n")

    answer = await http.post("/settings/apply", data=fields(page, "/settings/apply"))

    assert "not valid any more" in answer.text
    assert text_of(config) == FILE + "# and more\n"


async def test_a_confirmation_is_of_one_change_alone(http: httpx2.AsyncClient, config: Path):
    asked = fields(await preview(http, do="set", setting="policy.mode", value="lockdown"), "/settings/apply")

    answer = await http.post("/settings/apply", data={**asked, "value": "open"})

    assert "not valid any more" in answer.text
    assert text_of(config) == FILE


async def test_a_rule_is_added_and_taken_out(http: httpx2.AsyncClient, config: Path, source: Source):
    await change(http, do="add rule", subject="people", of="strangers", send="deny", read="")
    assert text_of(config).endswith('\n[[policy.chats]]\npeople = "strangers"\nsend = "deny"\n')

    await change(http, do="remove rule", place="0")

    assert [(rule.subject, rule.send) for rule in source.current.now().policy.chats] == [("people", "deny")]
    assert "# Mine." in text_of(config)


@pytest.mark.parametrize(
    "given",
    [
        {"do": "set", "setting": "policy.mode", "value": "yolo"},
        {"do": "set", "setting": "server.host", "value": "0.0.0.0"},
        {"do": "set", "setting": "policy.budgets.per_day", "value": "many"},
        {"do": "set", "setting": "policy.budgets.per_day", "value": "-5"},
        {"do": "set", "setting": "policy.quiet_hours", "value": "late"},
        {"do": "set", "setting": "timezone", "value": "Atlantis/Poseidonis"},
        {"do": "set", "setting": "policy.tools_off", "value": "x" * 3_000},
        {"do": "add rule", "subject": "number", "of": "no number", "send": "deny"},
        {"do": "add rule", "subject": "mode", "of": "open", "send": "deny"},
        {"do": "add rule", "subject": "people", "of": "strangers"},
        {"do": "remove rule", "place": "7"},
        {"do": "remove rule", "place": "x"},
        {"do": "set everything"},
        {},
    ],
)
async def test_what_would_not_be_valid_is_refused_before_it_is_asked_about(
    http: httpx2.AsyncClient, config: Path, given: dict[str, str]
):
    page = await preview(http, **given)

    assert 'action="/settings/apply"' not in page
    assert text_of(config) == FILE


@pytest.mark.usefixtures("config")
async def test_a_dangerous_mode_is_warned_of(http: httpx2.AsyncClient):
    assert "nothing is asked" in await preview(http, do="set", setting="policy.mode", value="open")
    assert "Careful" not in await preview(http, do="set", setting="policy.mode", value="lockdown")


async def test_a_form_of_elsewhere_changes_nothing(http: httpx2.AsyncClient, config: Path):
    given = {"do": "set", "setting": "policy.mode", "value": "open", "token": "0" * 64}

    for path in ("/settings/change", "/settings/apply"):
        assert "not valid any more" in (await http.post(path, data=given)).text
    assert text_of(config) == FILE


@pytest.mark.parametrize(
    ("asked", "verdict", "because"),
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
