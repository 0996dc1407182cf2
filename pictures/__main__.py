"""Take the pictures: `python -m pictures [NAME …] [--into FOLDER]`."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import anyio

from pictures.hosts import claude_code
from pictures.pages import card, pages
from pictures.terminals import linking, story
from tests.pages.served import chromium

FOLDER: Final = Path(__file__).parents[1] / "docs" / "pictures"
PICTURES: Final[dict[str, Callable[[Any, Path], Awaitable[None]]]] = {
    "linking": linking,
    "demo": story,
    "pages": pages,
    "card": card,
    "claude-code": claude_code,
}


async def take(names: list[str], folder: Path) -> None:
    """Take the pictures of these names, or all."""
    async with chromium() as browser:
        for name in names or PICTURES:
            await PICTURES[name](browser, folder)
            print(name)


def main() -> None:
    """Read the arguments and take the pictures."""
    parser = argparse.ArgumentParser(prog="python -m pictures", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*PICTURES, []], metavar="NAME", help=", ".join(PICTURES))
    parser.add_argument(
        "--into", type=Path, default=FOLDER, metavar="FOLDER", help="instead of docs/pictures"
    )
    arguments = parser.parse_args()
    arguments.into.mkdir(parents=True, exist_ok=True)
    anyio.run(take, arguments.names, arguments.into)


if __name__ == "__main__":
    main()
