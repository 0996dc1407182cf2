"""Archives of tests that keep something else than databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from whatsapp_mcp.archive.operations import NAMES


class FakeWrites:
    """`Archive.write`, for which a method of the operation's name does what the operation would do."""

    async def write(self, operation: Callable[..., Any], /, *values: Any, **named: Any) -> Any:
        return await getattr(self, NAMES[operation])(*values, **named)
