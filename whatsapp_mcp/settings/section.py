"""Common parts of the sections of `config.toml`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

UserPath = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]
"""A path in which `~` is the user's home."""


class Section(BaseModel):
    """A section: it cannot be changed, and has no key but its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)
