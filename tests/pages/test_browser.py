"""The pages in a real Chromium: accessible, whole, and stronger than what others wrote."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from tests.pages.served import QUESTION, Served
from tests.pages.sites import paths
from tests.web.world import ANN, EVE
from whatsapp_mcp.models import ApprovalState, ConnectionState

pytestmark = [pytest.mark.anyio, pytest.mark.browser]
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1200, "height": 800}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1200, "height": 800}},
    "phone": {"color_scheme": "dark", "viewport": {"width": 360, "height": 740}, "is_mobile": True},
}
WIDTH, HEIGHT = 390, 740
PHONE = {"viewport": {"width": WIDTH, "height": HEIGHT}, "is_mobile": True}
POLICY = "Content Security Policy"
"""Stands in what Chromium says of whatever the policy of a page keeps out."""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
CHECK = f"""async () => (await axe.run({{runOnly: {RULES}}})).violations.map(one => one.id + ': '
    + one.nodes.map(node => node.html + ' ' + node.any.map(a => a.message)).join(' | '))"""
OVERFLOWS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@asynccontextmanager
async def signed_in(site: Served, browser: Any, **options: Any) -> AsyncIterator[Any]:
    """A page of a browser that has just been signed in; a fault on it is a fault of the test."""
    # What tests run there is ours: the policy of the pages would keep axe out.
    context = await browser.new_context(**{"bypass_csp": True, **options})
    page = await context.new_page()
    faults: list[str] = []

    def note(event: Any) -> None:
        """An error, a dialog, a request to elsewhere, or what the browser says of the policy."""
        said = str(getattr(event, "text", event))
        if not hasattr(event, "text") or POLICY in said:
            faults.append(said)

    def check(request: Any) -> None:
        if not request.url.startswith(site.url):
            faults.append(request.url)

    page.on("pageerror", note)
    page.on("dialog", note)
    page.on("console", note)
    page.on("request", check)
    await page.goto(site.login_url())
    await page.click("button")
    yield page
    await context.close()
    assert faults == []


def in_window(box: dict[str, float]) -> bool:
    """Whether all of an element is in the window of a phone."""
    return box["y"] >= 0 and box["y"] + box["height"] <= HEIGHT


async def faults_of(
    site: Served, browser: Any, axe: str, look: str, pages: Mapping[str, str]
) -> dict[str, Any]:
    """The faults of accessibility of pages, and by how much each is wider than its window."""
    found: dict[str, Any] = {}
    async with signed_in(site, browser, **LOOKS[look]) as page:
        for name, path in pages.items():
            await page.goto(site.url + path)
            await page.evaluate(axe)
            faults = await page.evaluate(CHECK)
            wider = await page.evaluate(OVERFLOWS)
            if faults or wider > 0:
                found[name] = faults, wider
    return found


@pytest.mark.parametrize("look", LOOKS)
async def test_no_page_has_a_fault_of_accessibility_or_is_wider_than_its_window(
    site: Served, browser: Any, axe: str, look: str
):
    assert await faults_of(site, browser, axe, look, await paths(site.archive)) == {}


async def test_no_page_breaks_its_own_policy_or_runs_what_others_wrote(site: Served, browser: Any):
    async with signed_in(site, browser, bypass_csp=False) as page:
        for path in (await paths(site.archive)).values():
            await page.goto(site.url + path)
            assert await page.evaluate("() => document.querySelectorAll('script:not([src])').length") == 0


async def test_a_page_without_a_session_says_how_to_sign_in(site: Served, browser: Any, axe: str):
    context = await browser.new_context(bypass_csp=True)
    page = await context.new_page()
    for path in (await paths(site.archive)).values():
        answer = await page.goto(site.url + path)
        assert answer.status == 403
        assert "whatsapp-mcp page" in await page.inner_text("main")
    await page.evaluate(axe)
    assert await page.evaluate(CHECK) == []
    await context.close()


async def test_pictures_are_shown_and_files_that_could_run_are_not(site: Served, browser: Any):
    async with signed_in(site, browser) as page:
        await page.goto(f"{site.url}/chats/{ANN}")
        widths = "() => [...document.querySelectorAll('img.picture')].map(one => one.naturalWidth)"
        await page.wait_for_load_state("networkidle")
        assert await page.evaluate(widths) == [320]
        await page.goto(f"{site.url}/chats/{EVE}")
        await page.wait_for_load_state("networkidle")
        assert await page.evaluate(widths) == [0]


@pytest.mark.parametrize("scripts", [True, False])
async def test_a_chat_opens_at_its_newest_message_and_a_link_to_a_message_at_that(
    site: Served, browser: Any, scripts: bool
):
    newest, first = [(await site.archive.message(wa_id)).ref for wa_id in ("A11", "A1")]
    async with signed_in(site, browser, **PHONE, java_script_enabled=scripts) as page:
        for path, shown, other in (("", newest, first), (f"?at={first}#m{first}", first, newest)):
            await page.goto(f"{site.url}/chats/{ANN}{path}")
            await page.wait_for_load_state("networkidle")
            assert in_window(await page.locator(f"#m{shown}").bounding_box())
            assert not in_window(await page.locator(f"#m{other}").bounding_box())


async def test_on_a_phone_the_place_and_the_outcome_of_an_act_are_in_the_window(site: Served, browser: Any):
    async with signed_in(site, browser, **PHONE) as page:
        await page.goto(f"{site.url}/acts")
        rows = await page.get_by_role("row").all()
        assert len(rows) == 4
        for words in ("Boat club", "denied", "approval required", "Ann Lee", "done"):
            box = await page.locator("main td", has_text=words).first.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= WIDTH
        assert await page.evaluate("() => document.querySelector('.acts').scrollWidth") <= WIDTH


@pytest.mark.parametrize("path", ["/", "/people", "/tokens", "/nothing-here"])
async def test_on_a_phone_the_navigation_is_one_row_in_which_the_page_stands(
    site: Served, browser: Any, path: str
):
    async with signed_in(site, browser, **PHONE) as page:
        await page.goto(site.url + path)
        tops = "() => new Set([...document.querySelectorAll('header nav li')].map(li => li.offsetTop)).size"
        assert await page.evaluate(tops) == 1
        for box in [await one.bounding_box() for one in await page.locator("[aria-current=page]").all()]:
            assert 0 <= box["x"] <= WIDTH - box["width"]


async def test_a_page_can_be_used_with_the_keyboard_alone(site: Served, browser: Any):
    async with signed_in(site, browser) as page:
        await page.goto(f"{site.url}/chats")
        await page.keyboard.press("Tab")
        assert await page.evaluate("() => document.activeElement.textContent") == "Skip to the content"
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        assert await page.evaluate("() => document.activeElement.name") == "q"
        await page.keyboard.type("ann")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/chats?q=ann*")


async def test_a_person_answers_a_question_with_a_click(site: Served, browser: Any):
    site.device.held = QUESTION
    async with signed_in(site, browser) as page:
        await page.goto(f"{site.url}/approvals")
        await page.get_by_role("button", name="No", exact=True).click()
        await page.wait_for_selector("text=Nothing waits for you")
    assert site.device.held.state is ApprovalState.DENIED


@pytest.mark.parametrize("scripts", [True, False])
async def test_a_page_that_changes_by_itself_is_renewed_with_and_without_scripts(
    site: Served, browser: Any, scripts: bool
):
    site.device.state = ConnectionState.RECONNECTING
    async with signed_in(site, browser, bypass_csp=False, java_script_enabled=scripts) as page:
        await page.goto(f"{site.url}/")
        assert "reconnecting" in await page.inner_text("main")
        site.device.state = ConnectionState.ONLINE
        with anyio.fail_after(30):
            await page.wait_for_selector(".dot.online >> nth=0")
            while "reconnecting" in await page.inner_text(".state"):  # noqa: ASYNC110
                await anyio.sleep(0.1)
