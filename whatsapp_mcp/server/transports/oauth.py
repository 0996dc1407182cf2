"""An OAuth 2.1 resource server: tokens of an issuer that a person has chosen, for the users they listed.

Applications that can sign in with OAuth alone (the connectors of claude.ai and ChatGPT) find the issuer by
this server's metadata (RFC 9728), have the person sign in there, and come back with a token: a JWT that the
issuer has signed (RFC 9068). The issuer's public keys are fetched when needed, kept, and renewed.
"""

from __future__ import annotations

import json
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

import anyio
import httpx2
import jwt
from mcp.client.auth.utils import build_oauth_authorization_server_metadata_discovery_urls
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from whatsapp_mcp.errors import Busy, Denied, InvalidArgument
from whatsapp_mcp.server.calls import Principal
from whatsapp_mcp.text.choices import TOOL_SCOPES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from whatsapp_mcp.settings import OAuthSettings

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
"""Keys of the issuer that are kept."""
METADATA: Final = "/.well-known/oauth-protected-resource"
"""Path of the metadata of a protected resource (RFC 9728, 3)."""
RESOURCE: Final = "/mcp"
"""Path of the resource itself, the endpoint of MCP."""
_LONGEST: Final = 16 * 1024
"""Characters of a token."""
_LEEWAY: Final = 30
"""Seconds by which the issuer's clock may differ."""
_MUST_HAVE: Final = ["exp", "iss", "aud", "sub"]
"""Claims without which a token is refused."""
_OF_ACCESS: Final = "at+jwt"
"""`typ` of an access token (RFC 9068, 2.1)."""
_OF_ANY: Final = frozenset({"jwt", ""})
"""`typ` of every token of issuers without this profile: Entra, Okta, and by default Keycloak and Auth0."""
_ACCESS_CLAIMS: Final = {"typ": "bearer", "token_use": "access"}
"""Claims that mark an access token of Keycloak or Cognito, whose `typ` header does not."""
_BOUND: Final = "cnf"
"""Claim of a token that its holder has to prove a key for (RFC 9449, RFC 8705), which no `Bearer` does."""
_ID_CLAIMS: Final = frozenset({"nonce", "at_hash", "c_hash", "events"})
"""Claims of ID tokens (OpenID Connect Core, 2 and 3.3) and of logout tokens alone."""

logger = logging.getLogger(__name__)


class Directory(Protocol):
    """The principals, as the database had them a moment ago; each question is answered at once."""

    @property
    def unknown_bearer(self) -> str:
        """Answer to a request with any other bearer token: how to get a valid one."""
        ...

    def principal(self, token: str) -> Principal | None:
        """Return the principal of a bearer token; None if the token is unknown or was revoked."""
        ...

    def subject(self, subject: str) -> Principal | None:
        """Return the principal of a user of the OAuth issuer, with every scope their tokens may have."""
        ...

    def take(self, principal: str) -> float:
        """Count one request of a principal.

        Returns:
            0 if it may be answered; else the seconds until the next one may.
        """
        ...


async def fetch_json(url: str, proxy: str | None = None) -> dict[str, Any]:
    """A JSON object of the issuer; redirects are not followed.

    Raises:
        Busy: There is none, or not in time.
    """
    try:
        with anyio.fail_after(_LIMIT):
            async with (
                # The environment may name another proxy than the settings do, or a `.netrc`.
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
        # An unknown id may be that of a new key; `_PAUSE` bounds how often this asks.
        if self._age() > _FRESH or self._chosen(key_id, algorithm) is None:
            await self._renew()
        if self._age() > _USABLE:
            raise Busy("The OAuth issuer does not answer.", retry_after=_PAUSE)
        return self._chosen(key_id, algorithm)

    def _age(self) -> float:
        return float("inf") if self._fetched is None else self.clock() - self._fetched

    def _chosen(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        keys = [key for key in self._keys if key_id is None or key.get("kid") == key_id]
        keys = [key for key in keys if key.get("alg", algorithm) == algorithm]
        if len(keys) != 1:
            return None
        try:
            return jwt.PyJWK(keys[0], algorithm)
        except jwt.PyJWTError:  # another kind of key than the algorithm's
            return None

    async def _renew(self) -> None:
        async with self._lock:
            # Who waited for the lock finds that another task has just tried.
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


@dataclass(frozen=True, slots=True)
class ResourceServer:
    """This server as a resource server of OAuth.

    Attributes:
        settings: The issuer, and whom of its users to let in.
        base: The URL of this server, without a path.
        keys: The issuer's.
        directory: Whom of its users to let in, where that stands in a database and not in the settings.
    """

    settings: OAuthSettings
    base: str
    keys: IssuerKeys
    directory: Directory | None = None

    @classmethod
    def of(
        cls, settings: OAuthSettings, base: str, proxy: str | None, directory: Directory | None = None
    ) -> ResourceServer:
        """The resource server of these settings; nothing is fetched before the first token comes.

        Raises:
            InvalidArgument: Nothing says whom of the issuer's users to let in.
        """
        if directory is None and not settings.subjects:
            raise InvalidArgument(
                "server.oauth.subjects names nobody who may come in.",
                "Name the users of the issuer, by the claim `sub` of their tokens.",
            )
        fetch = partial(fetch_json, proxy=proxy)

        async def fetch_keys() -> dict[str, Any]:
            return await fetch(settings.jwks_url or await discover(settings.issuer, fetch))

        return cls(settings, base, IssuerKeys(fetch_keys), directory)

    @property
    def resource(self) -> str:
        """Name of this server in tokens (RFC 8707)."""
        return f"{self.base}{RESOURCE}"

    @property
    def challenge(self) -> str:
        """`WWW-Authenticate` for a request without a valid token."""
        names = self.settings.scopes
        url = f"{self.base}{METADATA}{RESOURCE}"
        return f'Bearer resource_metadata="{url}", scope="{names.read} {names.send}"'

    def routes(self) -> list[Route]:
        """The metadata, at the root and under the path of the resource."""
        said = {
            "resource": self.resource,
            "authorization_servers": [self.settings.issuer],
            "scopes_supported": [getattr(self.settings.scopes, scope) for scope in TOOL_SCOPES],
            "bearer_methods_supported": ["header"],
            "resource_name": "WhatsApp",
        }

        async def metadata(_: Request) -> Response:
            return JSONResponse(said)

        return [Route(path, metadata, methods=["GET"]) for path in (METADATA, f"{METADATA}{RESOURCE}")]

    async def principal(self, token: str) -> Principal | None:
        """Return a token's principal; None if it has expired or is not signed by the issuer for this server.

        Raises:
            Denied: It is valid, but its subject is nobody who may come in.
            Busy: The issuer's keys cannot be fetched.
        """
        claims = await self._claims(token)
        if claims is None:
            return None
        known = self._known(claims["sub"])
        return replace(known, scopes=self._scopes(claims) & (known.scopes or frozenset()))

    def _known(self, subject: str) -> Principal:
        """A user of the issuer who may come in, with every scope that a token of theirs may have."""
        if self.directory is not None:
            if (principal := self.directory.subject(subject)) is not None:
                return principal
            what = "make %r a principal"
        elif subject in self.settings.subjects:
            accounts = self.settings.accounts.get(subject)
            only = None if accounts is None else frozenset(accounts)
            return Principal(f"oauth:{subject}", frozenset(TOOL_SCOPES), only)
        else:
            what = "add %r to server.oauth.subjects"
        logger.warning(
            "oauth: a user of %s was refused; to let them in, %s", self.settings.issuer, what % subject[:200]
        )
        raise Denied("This user may not use this server.", "The server's log names what to set.")

    async def _claims(self, token: str) -> dict[str, Any] | None:
        if len(token) > _LONGEST or not token.isascii():
            return None
        try:
            header = jwt.get_unverified_header(token)
            key_id = header.get("kid")
            key = await self.keys.find(key_id if isinstance(key_id, str) else None, str(header.get("alg")))
            if key is None:
                return None
            claims = jwt.decode(
                token,
                key,
                # The one that fits the kind of the key: no token chooses how it is checked (RFC 8725, 3.1).
                algorithms=[key.algorithm_name],
                audience=self.settings.audience or [self.resource, f"{self.resource}/"],
                issuer=self.settings.issuer,
                leeway=_LEEWAY,
                options={"require": _MUST_HAVE},
            )
        except jwt.PyJWTError as error:
            logger.info("oauth: a token was refused: %s", type(error).__name__)
            return None
        if not _is_access_token(header, claims):
            logger.info("oauth: a token was refused: it is no access token")
            return None
        return claims

    def _scopes(self, claims: dict[str, Any]) -> frozenset[str]:
        """Return the scopes that a token grants; some issuers name the claim `scp` instead of `scope`."""
        given = claims.get("scope", claims.get("scp", ""))
        words = given.split() if isinstance(given, str) else given
        named = {word for word in words if isinstance(word, str)} if isinstance(words, list) else set[str]()
        return frozenset(scope for scope in TOOL_SCOPES if getattr(self.settings.scopes, scope) in named)


def _is_access_token(header: dict[str, Any], claims: dict[str, Any]) -> bool:
    """Return whether a token of the issuer is an access token, rather than an ID token.

    The audience tells them apart already, unless the issuer calls the client what it calls this server.
    """
    if _BOUND in claims:
        return False
    kind = str(header.get("typ", "")).lower().removeprefix("application/")
    if kind not in _OF_ANY:
        return kind == _OF_ACCESS
    said = [str(claims[name]).lower() == wanted for name, wanted in _ACCESS_CLAIMS.items() if name in claims]
    return all(said) if said else _ID_CLAIMS.isdisjoint(claims)
