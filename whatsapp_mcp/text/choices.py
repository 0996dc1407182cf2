"""Words of which tokens, settings and commands take one or some.

They stand apart so that a command line can name them before anything else of the program is loaded.
"""

from __future__ import annotations

from typing import Final, Literal

Scope = Literal["read", "send", "admin", "metrics"]
TOOL_SCOPES: Final[tuple[Scope, ...]] = ("read", "send", "admin")
"""Scopes that let an application use tools."""
SCOPES: Final[tuple[Scope, ...]] = (*TOOL_SCOPES, "metrics")
SPEECH_MODELS: Final = ("tiny", "base", "small", "medium", "large-v3")
"""The Whisper models that can be installed, from the smallest to the largest."""
