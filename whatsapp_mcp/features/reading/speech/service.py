"""Speech by a service: any address with OpenAI's interface for transcriptions (`/v1/audio/transcriptions`).

It sends the sound of recordings to that address. So it is used only where the settings name and choose it.
`verbose_json` is asked for first, which tells times and the language; a model that cannot answer it is asked
for plain `json` (https://platform.openai.com/docs/api-reference/audio/createTranscription).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import anyio

from whatsapp_mcp.errors import Busy, RateLimited, TooLong, Unsupported, WhatsAppError
from whatsapp_mcp.features.reading.speech.languages import code_of
from whatsapp_mcp.features.reading.speech.recogniser import PIECE_SECONDS, Segment, Transcript

if TYPE_CHECKING:
    import httpx2

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_SECONDS: Final = 240.0
"""Most seconds for one piece of sound, including the answer."""
_MOST_BYTES: Final = 20_000_000
"""Most bytes of one piece; OpenAI takes 25 MB."""
_ANSWER_BYTES: Final = 4_000_000
_MOST_TEXT: Final = 200_000
_CHECK_URL: Final = "Tell the user to check voice.url and voice.url_model in config.toml."
_CHECK_KEY: Final = "Tell the user to check voice.key_variable or voice.key_keyring in config.toml."


@dataclass(frozen=True, slots=True)
class Service:
    """A service of transcription.

    Attributes:
        url: The whole address to which sound is posted.
        model: The name of its model.
        key: Its API key; None where it wants none.
        proxy: URL of the proxy to go through; not used on loopback.
    """

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    proxy: str | None = field(default=None, repr=False)

    @property
    def host(self) -> str:
        """The host to which sound is sent."""
        return urlsplit(self.url).hostname or ""

    async def transcribe(self, pieces: Iterable[tuple[float, bytes]], language: str | None) -> Transcript:
        """Have speech recognised.

        Args:
            pieces: The sound as Opus in Ogg, each with the second at which it begins.
            language: As for `Recogniser.transcribe`.

        Raises:
            Busy: It does not answer, or not now.
            RateLimited: It takes no more for the time being.
            TooLong: It refuses the size.
            Unsupported: It refuses the key, the model or the sound, or answers something else.
        """
        import httpx2

        segments: list[Segment] = []
        spoken: str | None = None
        proxy = None if self.host in LOOPBACK else self.proxy
        async with httpx2.AsyncClient(trust_env=False, timeout=_SECONDS, proxy=proxy) as http:
            for start, piece in pieces:
                answer = await self._posted(http, piece, language)
                segments += _segments(answer, start)
                spoken = spoken or code_of(answer.get("language"))
        return Transcript((language or spoken) if segments else None, tuple(segments))

    async def _posted(self, http: httpx2.AsyncClient, piece: bytes, language: str | None) -> dict[str, Any]:
        """Post one piece and return the service's answer."""
        import httpx2

        if len(piece) > _MOST_BYTES:
            raise TooLong("The sound is larger than services of transcription take.")
        try:
            with anyio.fail_after(_SECONDS):
                status, answer = await self._asked(http, piece, language, "verbose_json")
                if status == 400:
                    status, answer = await self._asked(http, piece, language, "json")
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
            raise Busy("The service of transcription does not answer.", _CHECK_URL) from error
        if status != 200:
            raise _refused(status)
        return _answered(answer)

    async def _asked(
        self, http: httpx2.AsyncClient, piece: bytes, language: str | None, form: str
    ) -> tuple[int, bytes]:
        """The status and the body of one answer; a redirect is not followed."""
        fields = {"model": self.model, "response_format": form} | ({"language": language} if language else {})
        headers = {"User-Agent": "whatsapp-mcp"} | (
            {"Authorization": f"Bearer {self.key}"} if self.key else {}
        )
        files = {"file": ("sound.ogg", piece, "audio/ogg")}
        async with http.stream("POST", self.url, data=fields, files=files, headers=headers) as answer:
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > _ANSWER_BYTES:
                    raise _nonsense()
            return answer.status_code, bytes(body)


def _refused(status: int) -> WhatsAppError:
    """The error for a status; what the service says beside it is not repeated."""
    if 300 <= status < 400:
        return Unsupported(
            "The service of transcription redirects elsewhere; the sound is not sent there.", _CHECK_URL
        )
    match status:
        case 401 | 403:
            return Unsupported("The service of transcription refuses the key.", _CHECK_KEY)
        case 404 | 405:
            return Unsupported(
                "The service of transcription is not at this address, or has no such model.", _CHECK_URL
            )
        case 413:
            return TooLong(
                "The recording is larger than the service of transcription takes.", "Listen to it."
            )
        case 429:
            return RateLimited("The service of transcription takes no more for now.", "Try again later.")
        case _ if status >= 500:
            return Busy(f"The service of transcription failed ({status}).", "Try again later.")
        case _:
            return Unsupported(f"The service of transcription refuses the recording ({status}).", _CHECK_URL)


def _answered(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise _nonsense() from None
    if not isinstance(answer, dict) or not isinstance(answer.get("text"), str):
        raise _nonsense()
    return answer


def _segments(answer: dict[str, Any], start: float) -> list[Segment]:
    """The segments of an answer; one of everything where it tells no times."""
    listed = answer.get("segments")
    if isinstance(listed, list):
        segments = [_segment(each, start) for each in listed]
        if segments and None not in segments:
            return [segment for segment in segments if segment is not None]
    text = answer["text"].strip()
    # Without times, the whole piece is one passage.
    return [Segment(start, start + PIECE_SECONDS, text[:_MOST_TEXT])] if text else []


def _segment(listed: Any, start: float) -> Segment | None:
    match listed:
        case {"start": int() | float() as begin, "end": int() | float() as end, "text": str(text)}:
            if 0 <= begin <= end <= 2 * PIECE_SECONDS:
                return Segment(start + begin, start + end, text[:_MOST_TEXT])
        case _:
            pass
    return None


def _nonsense() -> Unsupported:
    return Unsupported("The service of transcription answers something else than a transcript.", _CHECK_URL)
