"""The section `[media]` of `config.toml`: files that are sent, fetched, kept and read."""

from __future__ import annotations

import os
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, field_validator

from whatsapp_mcp.settings.section import Section, UserPath

_MEGABYTES: Final = Field(default=0, ge=0, le=2048)


class KeepSettings(Section):
    """`[media.keep]`: files that are fetched before WhatsApp deletes them, from people who are known.

    For each kind the largest size in megabytes; 0: none. `chats` narrows it to these (number, jid or exact
    name). `total_megabytes` is what such files may take; the oldest of them are dropped first. `keep = "off"`
    in `[media]` fetches nothing.
    """

    voice: int = Field(default=16, ge=0, le=2048)
    image: int = Field(default=8, ge=0, le=2048)
    document: int = Field(default=16, ge=0, le=2048)
    audio: int = _MEGABYTES
    video: int = _MEGABYTES
    gif: int = _MEGABYTES
    sticker: int = _MEGABYTES
    chats: tuple[str, ...] = ()
    total_megabytes: int = Field(default=2_000, ge=0)


_NOTHING: Final = KeepSettings(voice=0, image=0, document=0)


def _read_keep(value: object) -> object:
    """A section, or `off` for one that keeps nothing."""
    if isinstance(value, str) and value != "off":
        raise ValueError('it is a section, or "off"')
    return _NOTHING if value == "off" else value


class MediaSettings(Section):
    """`[media]`: from where files may be sent (`roots`), how large files may be, and how much is kept.

    `total_megabytes` is what the folder of files takes, `free_megabytes` what the disk keeps free.
    `keep` says which files are fetched without being asked for, `read` whether what is in them is read.
    """

    roots: tuple[UserPath, ...] = ()
    max_megabytes: int = Field(default=100, ge=1, le=2048)
    total_megabytes: int = Field(default=10_000, ge=1)
    free_megabytes: int = Field(default=500, ge=0)
    read: bool = True
    keep: Annotated[KeepSettings, BeforeValidator(_read_keep)] = KeepSettings()

    @field_validator("roots", mode="before")
    @classmethod
    def _from_environment(cls, value: Any) -> Any:
        """A variable lists folders as `PATH` does."""
        return value.split(os.pathsep) if isinstance(value, str) else value
