"""The section `[traces]` of `config.toml`: where spans go, for OpenTelemetry."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from whatsapp_mcp.settings.section import Section

_SCHEMES: Final = ("http", "https")


def _url(value: str) -> str:
    """A URL of a receiver; a password does not belong into it, since the log may name it."""
    try:
        parts = urlsplit(value)
        usable = parts.scheme in _SCHEMES and parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("it is not a URL without a password, such as http://127.0.0.1:4318/v1/traces")
    return value


class TracesSettings(Section):
    """`[traces]`: `endpoint` is the URL of an OTLP receiver, without which nothing is recorded.

    `ratio` is the part of the traces that begin here which is recorded.
    """

    endpoint: Annotated[str, AfterValidator(_url)] | None = None
    ratio: float = Field(default=1.0, ge=0, le=1)
