"""Tokens of an OAuth issuer: which are taken, for whom, and which keys they are checked with."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.tables import for_each
from whatsapp_mcp.errors import Busy, Denied
from whatsapp_mcp.server.calls import Principal
from whatsapp_mcp.server.transports.oauth import IssuerKeys, ResourceServer, discover
from whatsapp_mcp.settings import OAuthScopes, OAuthSettings

pytestmark = pytest.mark.anyio
ISSUER = "https://login.example.org"
BASE = "https://wa.example.org"
SETTINGS = OAuthSettings(issuer=ISSUER, subjects=("me",))


@dataclass
class Issuer:
    """An issuer with keys, which counts how often it is asked, and can be away."""

    now: float = 1000.0
    asked: int = 0
    away: bool = False
    signing: dict[str, Any] = field(default_factory=dict[str, Any])
    published: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def add_key(self, key_id: str, algorithm: str = "RS256") -> None:
        made: Any
        if algorithm.startswith("ES"):
            made = ec.generate_private_key(ec.SECP256R1())
            public = json.loads(ECAlgorithm.to_jwk(made.public_key()))
        else:
            made = rsa.generate_private_key(65537, 2048)
            public = json.loads(RSAAlgorithm.to_jwk(made.public_key()))
        self.signing[key_id] = made
        self.published.append({**public, "kid": key_id, "use": "sig"})

    async def fetch(self) -> dict[str, Any]:
        self.asked += 1
        if self.away:
            raise Busy("away")
        return {"keys": self.published}

    def keys(self) -> IssuerKeys:
        return IssuerKeys(self.fetch, lambda: self.now)

    def server(self, settings: OAuthSettings = SETTINGS) -> ResourceServer:
        return ResourceServer(settings, BASE, self.keys())

    def token(
        self,
        *,
        key_id: str | None = "one",
        algorithm: str = "RS256",
        kind: str | None = "at+jwt",
        **changed: Any,
    ) -> str:
        """A token with this `typ` and with these claims changed; what is None is left out."""
        claims = {
            "iss": ISSUER,
            "sub": "me",
            "aud": f"{BASE}/mcp",
            "exp": int(time.time()) + 600,
            "scope": "read send",
            **changed,
        }
        said = {name: value for name, value in claims.items() if value is not None}
        headers = {"typ": kind, **({"kid": key_id} if key_id else {})}
        return jwt.encode(said, self.signing[key_id or "one"], algorithm, headers)


@pytest.fixture(scope="module")
def keys() -> Issuer:
    """Keys that take a moment to make."""
    issuer = Issuer()
    issuer.add_key("one")
    issuer.add_key("two", "ES256")
    return issuer


@pytest.fixture
def issuer(keys: Issuer) -> Issuer:
    return Issuer(signing=dict(keys.signing), published=list(keys.published))


async def test_a_valid_token_stands_for_its_subject_and_scopes(issuer: Issuer) -> None:
    server = issuer.server()

    assert await server.principal(issuer.token()) == Principal("oauth:me", frozenset({"read", "send"}))
    es = issuer.token(key_id="two", algorithm="ES256")
    assert await server.principal(es) == Principal("oauth:me", frozenset({"read", "send"}))
    assert issuer.asked == 1


async def test_a_subject_may_be_let_in_for_some_accounts_alone(issuer: Issuer) -> None:
    server = issuer.server(SETTINGS.model_copy(update={"accounts": {"me": ("work",)}}))
    principal = await server.principal(issuer.token())
    assert principal is not None
    assert principal.accounts == {"work"}


@for_each(
    "changed",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "https://other.example/mcp"},
        {"aud": BASE},
        {"aud": None},
        {"exp": 1},
        {"exp": None},
        {"nbf": 99999999999},
        {"sub": None},
        {"sub": 7},
    ],
)
async def test_a_token_of_another_issuer_for_another_server_or_another_time_is_none(
    issuer: Issuer, changed: dict[str, Any]
) -> None:
    assert await issuer.server().principal(issuer.token(**changed)) is None


@for_each(
    "kind, claims",
    [
        ("at+jwt", {}),
        ("AT+JWT", {"nonce": "n"}),
        ("application/at+jwt", {}),
        # Entra, and Auth0 as it is installed
        ("JWT", {"scope": None, "scp": "read send", "ver": "2.0", "azp": "client"}),
        # Okta
        (None, {"scope": None, "scp": ["read", "send"], "cid": "client"}),
        # Keycloak as it is installed, and before version 24 with the nonce of the sign-in
        ("JWT", {"typ": "Bearer", "azp": "client"}),
        ("JWT", {"typ": "Bearer", "nonce": "n", "auth_time": 1}),
        # Cognito
        (None, {"token_use": "access"}),
    ],
)
async def test_access_tokens_are_taken_as_issuers_make_them(
    issuer: Issuer, kind: str | None, claims: dict[str, Any]
) -> None:
    given = await issuer.server().principal(issuer.token(kind=kind, **claims))
    assert given == Principal("oauth:me", frozenset({"read", "send"}))


@for_each(
    "kind, claims",
    [
        ("JWT", {"nonce": "n"}),
        (None, {"at_hash": "x"}),
        ("JWT", {"c_hash": "x"}),
        ("JWT", {"typ": "ID"}),
        ("JWT", {"typ": "Refresh"}),
        ("JWT", {"typ": "Offline"}),
        ("JWT", {"typ": "Logout"}),
        ("JWT", {"typ": ["Bearer"]}),
        ("JWT", {"token_use": "id"}),
        ("JWT", {"typ": "Bearer", "token_use": "id"}),
        ("JWT", {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
        ("at+jwt", {"cnf": {"jkt": "thumbprint"}}),
        ("JWT", {"typ": "Bearer", "cnf": {"x5t#S256": "thumbprint"}}),
        ("id_token+jwt", {}),
        ("logout+jwt", {}),
        ("dpop+jwt", {}),
        ("secevent+jwt", {}),
        ("oauth-authz-req+jwt", {}),
        ("token-introspection+jwt", {}),
    ],
)
async def test_another_token_of_the_issuer_is_no_access_token(
    issuer: Issuer, kind: str | None, claims: dict[str, Any]
) -> None:
    """The audience is that of this server, as where an issuer calls the client so, too."""
    assert await issuer.server().principal(issuer.token(kind=kind, **claims)) is None


async def test_a_token_with_a_critical_extension_is_none(issuer: Issuer) -> None:
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    headers = {"kid": "one", "typ": "at+jwt", "crit": ["x"], "x": 1}
    token = jwt.encode(claims, issuer.signing["one"], "RS256", headers)
    assert await issuer.server().principal(token) is None


async def test_an_id_token_without_any_mark_of_one_has_no_scope(issuer: Issuer) -> None:
    token = issuer.token(kind="JWT", scope=None, name="Me", email="me@example.org")
    assert await issuer.server().principal(token) == Principal("oauth:me", frozenset())


async def test_a_token_signed_with_another_key_is_none(issuer: Issuer) -> None:
    server = issuer.server()
    other = Issuer()
    other.add_key("one")

    assert await server.principal(other.token()) is None
    head, body, _ = issuer.token().split(".")
    assert await server.principal(f"{head}.{body}.") is None


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
async def test_a_token_without_a_signature_of_the_issuer_is_none(issuer: Issuer, algorithm: str) -> None:
    """With a shared secret, the public key would do as the secret (CVE-2016-5431)."""
    secret = "" if algorithm == "none" else issuer.published[0]["n"]
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    forged = jwt.encode(claims, secret, algorithm, {"kid": "one"})

    assert await issuer.server().principal(forged) is None


async def test_a_key_signs_with_its_own_algorithm(issuer: Issuer) -> None:
    issuer.published = [{**key, "alg": "RS512"} for key in issuer.published]

    assert await issuer.server().principal(issuer.token()) is None
    assert await issuer.server().principal(issuer.token(algorithm="RS512")) is not None


async def test_a_user_who_is_not_listed_is_denied(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Denied):
        await issuer.server().principal(issuer.token(sub="somebody"))
    assert "add 'somebody' to server.oauth.subjects" in caplog.text


@dataclass
class Known:
    """A directory with one user of the issuer, and no token."""

    user: Principal
    unknown_bearer: str = "Ask for a token."

    def principal(self, token: str) -> Principal | None:
        return None

    def subject(self, subject: str) -> Principal | None:
        return self.user if self.user.name == f"oauth:{subject}" else None

    def take(self, principal: str) -> float:
        return 0.0


async def test_where_a_database_says_who_may_come_in_the_settings_do_not(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    known = Known(Principal("oauth:tenant", frozenset({"read", "admin"}), frozenset({"work"})))
    server = replace(issuer.server(), directory=known)
    token = issuer.token(sub="tenant", scope="read send")
    assert await server.principal(token) == Principal(
        "oauth:tenant", frozenset({"read"}), frozenset({"work"})
    )
    with pytest.raises(Denied):
        await server.principal(issuer.token(sub="me"))
    assert "make 'me' a principal" in caplog.text


@for_each(
    "claims, scopes",
    [
        ({"scope": "wa:read wa:admin openid"}, {"read", "admin"}),
        ({"scope": None, "scp": ["wa:send"]}, {"send"}),
        ({"scope": None, "scp": "wa:send wa:read"}, {"send", "read"}),
        ({"scope": "read send admin"}, set[str]()),
        ({"scope": None}, set[str]()),
        ({"scope": 7}, set[str]()),
        ({"scope": [["wa:read"]]}, set[str]()),
    ],
)
async def test_scopes_have_the_names_that_the_issuer_gives_them(
    issuer: Issuer, claims: dict[str, Any], scopes: set[str]
) -> None:
    names = OAuthScopes(read="wa:read", send="wa:send", admin="wa:admin")
    server = issuer.server(SETTINGS.model_copy(update={"scopes": names}))

    assert await server.principal(issuer.token(**claims)) == Principal("oauth:me", frozenset(scopes))


async def test_the_issuers_own_name_for_this_server_can_be_set(issuer: Issuer) -> None:
    server = issuer.server(SETTINGS.model_copy(update={"audience": "whatsapp"}))

    assert await server.principal(issuer.token(aud=["x", "whatsapp"])) is not None
    assert await server.principal(issuer.token()) is None


async def test_a_new_key_is_fetched_once_it_signs(issuer: Issuer) -> None:
    server = issuer.server()
    await server.principal(issuer.token())
    issuer.add_key("new")
    issuer.published = issuer.published[-1:]
    issuer.now += 31

    assert await server.principal(issuer.token(key_id="new")) is not None
    assert await server.principal(issuer.token()) is None
    assert issuer.asked == 2


async def test_invented_key_ids_make_no_storm_of_requests(issuer: Issuer) -> None:
    keys = issuer.keys()
    for number in range(100):
        assert await keys.find(str(number), "RS256") is None
        issuer.now += 1

    assert issuer.asked <= 5


async def test_keys_are_used_for_a_day_while_the_issuer_is_away(issuer: Issuer) -> None:
    keys = issuer.keys()
    assert await keys.find("one", "RS256") is not None
    issuer.away = True
    issuer.now += 23 * 3600
    assert await keys.find("one", "RS256") is not None
    issuer.now += 2 * 3600
    with pytest.raises(Busy):
        await keys.find("one", "RS256")
    issuer.away = False
    issuer.now += 60
    assert await keys.find("one", "RS256") is not None


async def test_an_issuer_that_never_answered_is_no_reason_to_refuse_for_good(issuer: Issuer) -> None:
    issuer.away = True
    with pytest.raises(Busy):
        await issuer.server().principal(issuer.token())


@for_each(
    "published",
    [[], ["key"], [{}], [{"kid": "one"}], [{"kid": "one", "kty": "oct", "k": "c2VjcmV0"}], "keys", None],
)
async def test_what_is_no_key_is_none(issuer: Issuer, published: Any) -> None:
    issuer.published = published
    with_nothing = issuer.server()
    try:
        assert await with_nothing.principal(issuer.token()) is None
    except Busy:
        assert not isinstance(published, list)


@for_each("token", ["", "a.b.c", "a" * 20_000, "..", "eyJhbGciOiJSUzI1NiJ9.e30.x", "\udcff.a.b", "é.é.é"])
async def test_what_is_no_token_is_none(issuer: Issuer, token: str) -> None:
    assert await issuer.server().principal(token) is None


def answering(documents: dict[str, dict[str, Any]]) -> Callable[[str], Any]:
    async def fetch(url: str) -> dict[str, Any]:
        if url not in documents:
            raise Busy("not there")
        return documents[url]

    return fetch


@for_each(
    "issuer_url, place",
    [
        (ISSUER, f"{ISSUER}/.well-known/oauth-authorization-server"),
        (ISSUER, f"{ISSUER}/.well-known/openid-configuration"),
        (f"{ISSUER}/realms/home", f"{ISSUER}/.well-known/oauth-authorization-server/realms/home"),
        (f"{ISSUER}/realms/home", f"{ISSUER}/realms/home/.well-known/openid-configuration"),
    ],
)
async def test_the_keys_are_found_by_the_issuers_metadata(issuer_url: str, place: str) -> None:
    said = {"issuer": issuer_url, "jwks_uri": f"{ISSUER}/keys"}

    assert await discover(issuer_url, answering({place: said})) == f"{ISSUER}/keys"


@for_each(
    "said",
    [
        {"issuer": "https://evil.example", "jwks_uri": "https://evil.example/keys"},
        {"issuer": ISSUER, "jwks_uri": "http://login.example.org/keys"},
        {"issuer": ISSUER},
    ],
)
async def test_metadata_of_another_issuer_or_with_keys_in_the_clear_are_not_believed(
    said: dict[str, Any],
) -> None:
    with pytest.raises(Busy):
        await discover(ISSUER, answering({f"{ISSUER}/.well-known/oauth-authorization-server": said}))
