"""The public keys with which an OAuth issuer signs its tokens: fetched when needed, kept, and renewed."""

from __future__ import annotations

import json
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import anyio
import httpx2
import jwt
from mcp.client.auth.utils import build_oauth_authorization_server_metadata_discovery_urls

from whatsapp_mcp.errors import Busy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
"""Signatures with a public key. `none` and those with a shared secret are not among them."""
_FRESH: Final = 3600.0
"""Seconds after which keys are fetched again."""
_USABLE: Final = 24 * 3600.0
"""Seconds for which keys are used while the issuer does not answer."""
_PAUSE: Final = 30.0
"""Seconds between two fetches: tokens with invented key ids must not make this server ask for each."""
_LIMIT: Final = 10.0
"""Seconds for one document."""
_LARGEST: Final = 256 * 1024
"""Bytes of a document."""
_MOST_KEYS: Final = 64


async def fetch_json(url: str, proxy: str | None = None) -> dict[str, Any]:
    """A JSON object of the issuer; redirects are not followed.

    Raises:
        Busy: There is none, or not in time.
    """
    try:
        with anyio.fail_after(_LIMIT):
            async with (
                httpx2.AsyncClient(trust_env=False, proxy=proxy) as http,
                http.stream("GET", url, headers={"Accept": "application/json"}) as answer,
            ):
                answer.raise_for_status()
                body = bytearray()
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > _LARGEST:
                        raise Busy(f"{url} answers too much.")
        said = json.loads(body)
    except (httpx2.HTTPError, TimeoutError, ValueError, RecursionError) as error:
        raise Busy(f"{url} cannot be fetched ({type(error).__name__}).") from error
    if not isinstance(said, dict):
        raise Busy(f"{url} answers no JSON object.")
    return said


async def discover(issuer: str, fetch: Callable[[str], Awaitable[dict[str, Any]]]) -> str:
    """The URL of the issuer's keys, from its metadata (RFC 8414, or OpenID Connect Discovery).

    Raises:
        Busy: It has no metadata, or they are another issuer's.
    """
    for url in build_oauth_authorization_server_metadata_discovery_urls(issuer, issuer):
        with suppress(Busy):
            said = await fetch(url)
            keys = said.get("jwks_uri")
            # Keys in the clear would let whoever is on the way there sign tokens.
            scheme = "https:" if issuer.startswith("https:") else "http"
            if said.get("issuer") == issuer and isinstance(keys, str) and keys.startswith(scheme):
                return keys
    raise Busy(f"The issuer {issuer} publishes no metadata with its name and its keys.")


@dataclass(slots=True)
class IssuerKeys:
    """The keys of one issuer.

    Attributes:
        fetch: Fetches the key set (RFC 7517).
    """

    fetch: Callable[[], Awaitable[dict[str, Any]]]
    clock: Callable[[], float] = time.monotonic
    _keys: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    _fetched: float | None = None
    _tried: float | None = None
    _lock: anyio.Lock = field(default_factory=anyio.Lock)

    async def find(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        """The key for a token's signature; None if the issuer has none of this id for this algorithm.

        Args:
            key_id: `kid` of the token's header; None only finds the key of an issuer that has a single one.
            algorithm: `alg` of the header.

        Raises:
            Busy: The issuer does not answer, and no usable keys are kept.
        """
        if algorithm not in ALGORITHMS:
            return None
        if self._age() > _FRESH or self._chosen(key_id, algorithm) is None:
            await self._renew()
        if self._age() > _USABLE:
            raise Busy("The OAuth issuer does not answer.", retry_after=_PAUSE)
        return self._chosen(key_id, algorithm)

    def _age(self) -> float:
        return float("inf") if self._fetched is None else self.clock() - self._fetched

    def _chosen(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        found = [key for key in self._keys if key_id is None or key.get("kid") == key_id]
        found = [key for key in found if key.get("alg", algorithm) == algorithm]
        if len(found) != 1:
            return None
        try:
            return jwt.PyJWK(found[0], algorithm)
        except jwt.PyJWTError:  # another kind of key than the algorithm's
            return None

    async def _renew(self) -> None:
        async with self._lock:
            if self._tried is not None and self.clock() - self._tried < _PAUSE:
                return
            self._tried = self.clock()
            try:
                said = (await self.fetch()).get("keys")
            except Busy as error:
                logger.warning("oauth: keys were not renewed: %s", error.message)
                return
            if isinstance(said, list):
                keys = [key for key in said[:_MOST_KEYS] if isinstance(key, dict)]
                self._keys = [key for key in keys if key.get("use", "sig") == "sig"]
                self._fetched = self._tried
