"""Which engine the settings mean, and why there is none."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.features.reading.speech import languages, models
from whatsapp_mcp.features.reading.speech.service import Service
from whatsapp_mcp.files.vault import KeySource
from whatsapp_mcp.settings import Settings

Engine = Literal["whisper", "pocketsphinx", "service"]

_KEYRING_NAME = "voice"
"""The name of the service's key in the platform's keyring, of the service `whatsapp-mcp`."""


@dataclass(frozen=True, slots=True)
class SpeechOptions:
    """The engine that recognises speech, and its options.

    Attributes:
        engine: `whisper` and `pocketsphinx` run in the reading process, `service` elsewhere.
        model: The folder of the model of `whisper`.
        language: What is spoken, as ISO 639-1; None: the engine finds out.
        service: Of the engine `service`.
    """

    engine: Engine
    model: Path | None = None
    language: str | None = None
    service: Service | None = None


def speech_options(settings: Settings) -> SpeechOptions | None:
    """Return the speech options of these settings on this machine; None without speech (`why_no_speech`).

    Raises:
        Busy: The key of a service is in a keyring that cannot be used.
        Unsupported: The key is in a keyring, and the extra `encryption` is not installed.
    """
    if why_no_speech(settings) is not None:
        return None
    voice = settings.voice
    match voice.engine:
        case "auto" | "whisper":
            model = models.folder_of(settings.home, voice.model)
            return SpeechOptions("whisper", model, voice.language)
        case "pocketsphinx":
            return SpeechOptions("pocketsphinx", None, voice.language)
        case _:
            return SpeechOptions("service", None, voice.language, _service(settings))


def why_no_speech(settings: Settings) -> Unsupported | None:
    """Why nothing recognises speech with these settings on this machine; None: something does."""
    voice = settings.voice
    if voice.engine == "off":
        return Unsupported("voice.engine is off.", "Tell the user, who can set voice.engine in config.toml.")
    if not _is_installed("av"):
        return _without_sound(voice.engine)
    if voice.language is not None and voice.language not in languages.NAMES:
        return _without("a voice.language that is known", "correct voice.language in config.toml")
    if voice.engine == "service":
        if voice.key_variable is not None and not os.environ.get(voice.key_variable):
            return _without("the key: the variable of voice.key_variable is not set", "set it for the server")
        return None
    if voice.engine == "pocketsphinx":
        if voice.language not in (None, "en"):
            return _without("another voice.engine for this voice.language", "correct them in config.toml")
        return None if _is_installed("pocketsphinx") else _without_extra("pocketsphinx")
    if not _is_installed("faster_whisper"):
        return _without_extra("voice")
    model = models.installed(settings.home, voice.model)
    if model is None or not model.is_complete():
        return _without(f"the model {voice.model}", f"run `whatsapp-mcp voice install {voice.model}`")
    return None


def sends_away(settings: Settings) -> str | None:
    """The sentence that says where audio is sent; None where it stays on this machine."""
    if settings.voice.engine != "service" or settings.voice.url is None:
        return None
    return f"The audio of your messages is sent to {Service(settings.voice.url, '').host} to be transcribed."


def _service(settings: Settings) -> Service:
    voice = settings.voice
    key = None
    if voice.key_variable is not None:
        key = os.environ[voice.key_variable]
    elif voice.key_keyring:
        stored = KeySource(name=_KEYRING_NAME).read()
        key = stored.decode() if stored else None
    return Service(voice.url or "", voice.url_model, key, settings.network.proxy_url)


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _without_sound(engine: str) -> Unsupported:
    """Without what decodes sound, which each engine needs; the extras of those that run here bring it."""
    if engine == "service":
        return _without("the extra `media`, which decodes the sound", "install whatsapp-mcp with that extra")
    if engine == "pocketsphinx":
        return _without_extra("pocketsphinx")
    return _without_extra("voice")


def _without_extra(name: str) -> Unsupported:
    return _without(f"the extra `{name}`", f"install whatsapp-mcp with the extra `{name}`")


def _without(what: str, action: str) -> Unsupported:
    return Unsupported(f"Speech is not transcribed here: it needs {what}.", f"Tell the user to {action}.")
