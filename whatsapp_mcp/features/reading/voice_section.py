"""The section `[voice]` of `config.toml`: what turns speech into text."""

from __future__ import annotations

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from whatsapp_mcp.settings.core_sections import Section
from whatsapp_mcp.text.network_addresses import address_of, is_near


class VoiceSettings(Section):
    """`[voice]`: which engine transcribes voice notes, audio and the sound of videos.

    `auto` is Whisper where the extra `voice` and the model `model` are installed, else nothing. `service`
    sends the audio to `url`, the whole address of an OpenAI-compatible `/v1/audio/transcriptions`, and asks
    for its model `url_model`; the key is in the environment variable `key_variable`, or in the platform's
    keyring. `language` is what is spoken, if it is always the same.
    """

    engine: Literal["auto", "whisper", "pocketsphinx", "service", "off"] = "auto"
    model: Literal["tiny", "base", "small", "medium", "large-v3"] = "small"
    language: str | None = Field(default=None, pattern=r"^[a-z]{2,3}$")
    url: str | None = None
    url_model: str = Field(default="whisper-1", min_length=1, max_length=200)
    key_variable: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    key_keyring: bool = False

    @field_validator("url")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        """The value, if sound may be sent there; what is wrong is said without its words."""
        if value is None:
            return value
        parts = urlsplit(value)
        is_plain = parts.username is None and not parts.query and not parts.fragment and value.isascii()
        if not parts.hostname or not is_plain or any(char <= " " for char in value):
            raise ValueError("it is not a URL such as https://host.example/v1/audio/transcriptions")
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_near(parts.hostname)):
            raise ValueError("it must be https, or http to this computer or a private address")
        return value

    @model_validator(mode="after")
    def _service_has_an_address(self) -> Self:
        if self.engine == "service" and self.url is None:
            raise ValueError('engine = "service" needs url')
        return self


def _is_near(host: str) -> bool:
    """Return whether a host is this computer, or an address of a private network."""
    address = address_of(host)
    return host == "localhost" if address is None else is_near(address)
