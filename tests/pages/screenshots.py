"""Pictures of every page in light, dark and on a phone: `python -m tests.pages.screenshots FOLDER`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import anyio

from tests.pages.served import chromium, served
from tests.pages.sites import paths

LOOKS: Final[dict[str, dict[str, Any]]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1200, "height": 800}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1200, "height": 800}},
    "phone": {
        "color_scheme": "light",
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
    },
}


async def take(folder: Path, only: list[str]) -> None:
    """Write `NAME-LOOK.png` of every page, or of those that are named."""
    await anyio.Path(folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        async with served(Path(home)) as site, chromium() as browser:
            for look, options in LOOKS.items():
                context = await browser.new_context(**options)
                page = await context.new_page()
                await page.goto(site.login_url())
                await page.click("button")
                for name, path in (await paths(site.archive)).items():
                    if not only or name in only:
                        await page.goto(site.url + path)
                        await page.screenshot(path=folder / f"{name}-{look}.png", full_page=True)
                await context.close()


if __name__ == "__main__":
    anyio.run(take, Path(sys.argv[1]), sys.argv[2:])
