"""An OAuth 2.1 resource server: tokens of an issuer that a person has chosen, for the users they listed.

Applications that can sign in with OAuth alone (the connectors of claude.ai and ChatGPT) find the issuer by
this server's metadata (RFC 9728), have the person sign in there, and come back with a token: a JWT that the
issuer has signed (RFC 9068).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import jwt
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from whatsapp_mcp.errors import Denied, InvalidArgument
from whatsapp_mcp.server.calls import Principal
from whatsapp_mcp.server.transports.issuer_keys import IssuerKeys, discover, fetch_json
from whatsapp_mcp.text.choices import TOOL_SCOPES

if TYPE_CHECKING:
    from starlette.requests import Request

    from whatsapp_mcp.server.transports.directory import Directory
    from whatsapp_mcp.settings import OAuthSettings

logger = logging.getLogger(__name__)

METADATA: Final = "/.well-known/oauth-protected-resource"
RESOURCE: Final = "/mcp"
_LONGEST: Final = 16 * 1024
"""Characters of a token."""
_LEEWAY: Final = 30
"""Seconds by which the issuer's clock may differ."""
_MUST_HAVE: Final = ["exp", "iss", "aud", "sub"]
_OF_ACCESS: Final = "at+jwt"
"""`typ` of an access token (RFC 9068, 2.1)."""
_OF_ANY: Final = frozenset({"jwt", ""})
"""`typ` of every token of issuers without this profile: Entra, Okta, and by default Keycloak and Auth0."""
_ACCESS_CLAIMS: Final = {"typ": "bearer", "token_use": "access"}
"""What such issuers say in the claims instead: Keycloak, and Cognito."""
_BOUND: Final = "cnf"
"""Claim of a token that its holder has to prove a key for (RFC 9449, RFC 8705), which no `Bearer` does."""
_ID_CLAIMS: Final = frozenset({"nonce", "at_hash", "c_hash", "events"})
"""Claims of ID tokens (OpenID Connect Core, 2 and 3.3) and of logout tokens alone."""


@dataclass(frozen=True, slots=True)
class ResourceServer:
    """What this server is for OAuth.

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
        """What this server is called in tokens (RFC 8707)."""
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
        """Whom a token stands for; None if the issuer has not signed it for this server, or it has expired.

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
            if (found := self.directory.subject(subject)) is not None:
                return found
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
        """What a token allows; `scp` is how some issuers call `scope`."""
        given = claims.get("scope", claims.get("scp", ""))
        words = given.split() if isinstance(given, str) else given
        named = {word for word in words if isinstance(word, str)} if isinstance(words, list) else set[str]()
        return frozenset(scope for scope in TOOL_SCOPES if getattr(self.settings.scopes, scope) in named)


def _is_access_token(header: dict[str, Any], claims: dict[str, Any]) -> bool:
    """Whether a token of the issuer is meant to give access, rather than to tell a client who signed in.

    The audience tells them apart already, unless the issuer calls the client what it calls this server.
    """
    if _BOUND in claims:
        return False
    kind = str(header.get("typ", "")).lower().removeprefix("application/")
    if kind not in _OF_ANY:
        return kind == _OF_ACCESS
    said = [str(claims[name]).lower() == wanted for name, wanted in _ACCESS_CLAIMS.items() if name in claims]
    return all(said) if said else _ID_CLAIMS.isdisjoint(claims)
