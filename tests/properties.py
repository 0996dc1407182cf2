"""How many examples each property is tried on: few in `make test`, many in `make properties`."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import settings

_TIMES: Final = int(os.environ.get("EXAMPLES") or 1)
_PROFILE: Final = "whatsapp-mcp"


def examples(count: int = 50) -> int:
    """How many examples of a property are tried: so many, times what `make properties` asks for."""
    return count * _TIMES


def use_profile() -> None:
    """Try each property on `examples()`, unless it names another number."""
    given = settings.get_profile(settings.get_current_profile_name())
    settings.register_profile(
        _PROFILE,
        given,
        deadline=None,  # a busy machine is no defect
        max_examples=examples(),
        # Hypothesis tries the same examples each time in CI; of many, other ones are wanted each time.
        derandomize=given.derandomize and _TIMES == 1,
    )
    settings.load_profile(_PROFILE)
