"""Pictures of the pages, in a window and on a phone."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio

from pictures.drawing import write_still
from pictures.world import Account, Server, account, command
from whatsapp_mcp.cli.demo.agent import OFFER, STRANGER
from whatsapp_mcp.server.cards import LINK

WINDOW: Final[dict[str, Any]] = {"viewport": {"width": 1000, "height": 760}, "color_scheme": "light"}
PHONE: Final[dict[str, Any]] = {
    "viewport": {"width": 390, "height": 760},
    "color_scheme": "light",
    "device_scale_factor": 1.5,
    "is_mobile": True,
    "has_touch": True,
}
_SHOWN: Final = {"chats": "/chats", "approvals": "/approvals"}
CLICK_LIMIT: Final = 30_000
"""Milliseconds."""

LINK_STATE: Final = "whatsapp://link"
_APPLICATION: Final = """<!doctype html><style>body { margin: 0 } iframe { border: 0; width: 560px }</style>
<iframe></iframe><script>
const frame = document.querySelector("iframe");
addEventListener("message", async ({ data: { id, method, params } }) => {
  if (method === "ui/notifications/size-changed") frame.style.height = `${params.height + 32}px`;
  if (id === undefined || method === undefined) return;
  const result = method === "resources/read" ? JSON.parse(await look())
    : { hostCapabilities: { serverTools: {}, serverResources: {} }, hostContext: { theme: "light" } };
  frame.contentWindow.postMessage({ jsonrpc: "2.0", id, result }, "*");
});
</script>"""
"""As much of an application as a card needs."""


async def pages(browser: Any, folder: Path) -> None:
    """Linking on a page, the chats, and a question that waits for a person."""
    with tempfile.TemporaryDirectory() as place:
        async with account(Path(place)) as here, here.served() as server:
            async with _signed_in(browser, here, WINDOW) as page:
                await page.goto(server.url)
                await page.get_by_role("button", name="Link a phone").click(timeout=CLICK_LIMIT)
                await _take(page, folder / "page-linking.png")
            await here.link()
            await server.knows_people()
            await _called(server, "download_media", message=await _newest(server, kind="image"))
            await _called(server, "send_message", chat=await _newest(server, chat=STRANGER), text=OFFER)
            for look, options in (("", WINDOW), ("-phone", PHONE)):
                async with _signed_in(browser, here, options) as page:
                    for name, path in _SHOWN.items():
                        await page.goto(server.url + path)
                        await _take(page, folder / f"page-{name}{look}.png")
                    await page.goto(f"{server.url}/chats")
                    await page.get_by_text("Möwe").first.click()
                    await _take(page, folder / f"page-chat{look}.png")


async def _called(server: Server, tool: str, **arguments: str) -> str:
    """The text of a tool's answer."""
    result = await server.client.call_tool(tool, dict(arguments))
    return "\n".join(block.text for block in result.content if block.type == "text")


async def _newest(server: Server, **which: str) -> str:
    """How the newest message of these is called."""
    return re.findall(r"#\d+", await _called(server, "list_messages", **which))[-1]


async def card(browser: Any, folder: Path) -> None:
    """The card of linking, as an application with MCP Apps draws it."""
    with tempfile.TemporaryDirectory() as place:
        async with account(Path(place)) as here, here.served() as server:
            await server.client.call_tool("link_device")

            async def look() -> str:
                read = await server.client.read_resource(LINK_STATE)
                return read.model_dump_json(by_alias=True, exclude_none=True)

            page = await browser.new_page(viewport={"width": 560, "height": 600}, device_scale_factor=1.5)
            await page.expose_function("look", look)
            await page.set_content(_APPLICATION)
            await page.evaluate("(card) => document.querySelector('iframe').srcdoc = card", LINK.html())
            await page.frame_locator("iframe").get_by_text("Valid for").wait_for(timeout=CLICK_LIMIT)
            write_still(folder / "card-linking.png", await page.locator("iframe").screenshot())
            await page.close()


@asynccontextmanager
async def _signed_in(browser: Any, here: Account, options: dict[str, Any]) -> AsyncGenerator[Any]:
    """A page of a browser that the printed URL has signed in."""
    with anyio.fail_after(60):
        printed = await anyio.run_process(command("page"), env=here.variables, stderr=subprocess.DEVNULL)
    context = await browser.new_context(**options)
    try:
        page = await context.new_page()
        await page.goto(printed.stdout.decode().strip())
        yield page
    finally:
        await context.close()


async def _take(page: Any, path: Path) -> None:
    await page.wait_for_load_state("networkidle")
    write_still(path, await page.screenshot())
