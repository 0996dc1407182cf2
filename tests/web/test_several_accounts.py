"""The pages of a server with several accounts: each page is of one account, and says of which."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette

from tests.tables import for_each
from tests.web.site import COOKIE, NOON, Logins, PageDevice, Source, fields
from tests.web.world import ANN
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.ledger import Ledger, Question
from whatsapp_mcp.models import Caller
from whatsapp_mcp.server.transports.tokens import Tokens
from whatsapp_mcp.settings import Settings
from whatsapp_mcp.web import Opened
from whatsapp_mcp.web.pages import site_routes
from whatsapp_mcp.web.site import LAST_PLACES, PLACES, Site

pytestmark = pytest.mark.anyio


@pytest.fixture
def sources(archive: Archive, tmp_path: Path) -> dict[str, Source]:
    """Two accounts of one home, each with a ledger of its own."""
    found: dict[str, Source] = {}
    for name in ("private", "work"):
        Settings(home=tmp_path).account_folder(name).create()
        found[name] = AccountSource(PageDevice(), tmp_path, archive, name)
    return found


class AccountSource(Source):
    """As `Source`, with the folder of its own account."""

    def opened(self) -> Opened | None:
        opened = super().opened()
        folder = Settings(home=self.home).account_folder(self.account)
        return opened and opened._replace(ledger=Ledger(folder))


@pytest.fixture
async def http(sources: dict[str, Source]) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser that is signed in."""
    several = tuple(sources.values())
    sites = [Site(source, COOKIE, lambda: NOON, several) for source in several]
    home = several[0].home
    app = Starlette(routes=site_routes(sites, Logins(), Tokens(home)))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        client.cookies.set(COOKIE, "mine")
        yield client


def links(page: str) -> Iterator[str]:
    for path in re.findall(r'(?:href|action|src|poster)="(/[^"]*)"', page):
        if not path.startswith(("/style.css", "/live.js")):
            yield path


async def test_whoever_signs_in_sees_the_first_account(http: httpx2.AsyncClient) -> None:
    answer = await http.get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/accounts/private/")


@for_each(
    "path", [*(place.path for place in (*PLACES, *LAST_PLACES)), f"/chats/{ANN}", f"/people/{ANN}", "/unlink"]
)
async def test_every_link_of_a_page_stays_in_its_account_but_for_the_switch(
    path: str, http: httpx2.AsyncClient
) -> None:
    answer = await http.get(f"/accounts/work{path}")
    assert answer.status_code == 200
    found = [each for each in links(answer.text) if each != "/accounts/private/"]
    assert len(found) > len((*PLACES, *LAST_PLACES))
    assert [each for each in found if not each.startswith("/accounts/work/")] == []


async def test_a_page_says_of_which_account_it_is_and_where_somebody_is_asked(
    http: httpx2.AsyncClient, sources: dict[str, Source]
) -> None:
    opened = sources["private"].opened()
    assert opened is not None
    question = Question(("Send?",), "it is new", "digest", "send", {})
    await opened.ledger.approvals.hold(question, Caller("token:agent"), NOON)

    page = (await http.get("/accounts/work/chats")).text

    switch = re.search(r'<nav aria-label="Accounts".*?>(.*?)</nav>', page, re.DOTALL)
    assert switch is not None
    entries = re.findall(r'<a href="([^"]+)"(.*?)>(\w+)(.*?)</a>', switch[1])
    assert [(each[0], "current" in each[1], "badge" in each[3]) for each in entries] == [
        ("/accounts/private/", False, True),
        ("/accounts/work/", True, False),
    ]
    assert 'href="/accounts/work/chats" aria-current="page"' in page


async def test_an_act_is_done_in_the_account_of_its_page(
    http: httpx2.AsyncClient, sources: dict[str, Source]
) -> None:
    form = fields((await http.get("/accounts/work/unlink")).text, "/accounts/work/unlink")
    answer = await http.post("/accounts/work/unlink", data=form)
    assert answer.headers["location"] == "/accounts/work/"
    assert [source.device and source.device.asked for source in sources.values()] == [[], ["unlink"]]


async def test_a_form_of_one_account_is_none_of_another(
    http: httpx2.AsyncClient, sources: dict[str, Source]
) -> None:
    form = fields((await http.get("/accounts/work/unlink")).text, "/accounts/work/unlink")
    assert (await http.post("/accounts/private/unlink", data=form)).status_code == 400


async def test_an_account_that_is_not_served_has_no_page(http: httpx2.AsyncClient) -> None:
    assert (await http.get("/accounts/other/")).status_code == 404
    assert (await http.get("/chats")).status_code == 404


async def test_the_settings_in_force_are_those_of_the_account_of_the_page(
    http: httpx2.AsyncClient, sources: dict[str, Source]
) -> None:
    (sources["work"].home / "config.toml").write_text('[accounts.work.policy]\nmode = "read_only"\n')
    for account, mode in (("work", "read_only"), ("private", "standard")):
        page = (await http.get(f"/accounts/{account}/settings")).text
        assert f"policy.mode</code></td><td><bdi>{mode}</bdi>" in page


async def test_a_token_can_be_limited_to_accounts(
    http: httpx2.AsyncClient, sources: dict[str, Source]
) -> None:
    path = "/accounts/private/tokens"
    form = fields((await http.get(path)).text, path)
    page = (await http.post(path, data={**form, "name": "bot", "account work": "yes"})).text
    assert "read, for work</td>" in page
    assert [token.accounts for token in Tokens(sources["work"].home).all()] == [{"work"}]


async def test_a_token_for_an_account_that_is_gone_is_not_made_for_all(
    http: httpx2.AsyncClient, sources: dict[str, Source]
) -> None:
    path = "/accounts/private/tokens"
    form = fields((await http.get(path)).text, path)
    page = (await http.post(path, data={**form, "name": "bot", "account gone": "yes"})).text
    assert "There is no account" in page
    assert not Tokens(sources["work"].home).all()
