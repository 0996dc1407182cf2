"""The settings with which others reach the server: its public URL, its proxies, its certificate."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tables import for_each
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.server.transports.oauth import ResourceServer
from whatsapp_mcp.settings import ServerSettings, load


def server(home: Path, *lines: str) -> ServerSettings:
    """`[server]` with these lines."""
    (home / "config.toml").write_text("\n".join(("[server]", *lines)))
    return load(home).server


@for_each(
    ("written", "url"),
    [
        ("https://WA.example.org/", "https://wa.example.org"),
        ("https://wa.example.org:443", "https://wa.example.org"),
        ("https://wa.example.org:8443", "https://wa.example.org:8443"),
        ("http://nas.local:8808", "http://nas.local:8808"),
        ("https://[fd00::1]:8443", "https://[fd00::1]:8443"),
    ],
)
def test_a_public_url_is_an_origin_as_browsers_write_it(tmp_path: Path, written: str, url: str) -> None:
    assert server(tmp_path, f'public_url = "{written}"').public_url == url


@for_each(
    "written",
    [
        "wa.example.org",
        "https://",
        "https://wa.example.org/mcp",
        "https://wa.example.org?x",
        "https://me@wa.example.org",
        "https://wa.example.org:0",
        "https://wa.example.org:99999",
        "ftp://wa.example.org",
        "https://wa.exämple.org",
        "https://wa.example.org/ x",
        "https://wa.example.org#",
    ],
)
def test_what_is_no_origin_is_refused_with_its_line(tmp_path: Path, written: str) -> None:
    with pytest.raises(InvalidArgument, match=r"server\.public_url: .*without a path.*line 2"):
        server(tmp_path, f'public_url = "{written}"')


def test_proxies_are_addresses_and_networks(tmp_path: Path) -> None:
    written = 'trusted_proxies = ["127.0.0.1", "172.18.3.4/16", "fd00::/8"]'

    found = server(tmp_path, written).trusted_proxies

    assert found == ("127.0.0.1/32", "172.18.0.0/16", "fd00::/8")


@for_each("written", ["proxy.local", "*", "10.0.0.0/33", "0.0.0.0/0", "::/0", ""])
def test_a_proxy_without_an_address_and_the_whole_world_are_refused(tmp_path: Path, written: str) -> None:
    with pytest.raises(InvalidArgument, match="trusted_proxies"):
        server(tmp_path, f'trusted_proxies = ["{written}"]')


@pytest.mark.parametrize("key", ["tls_certificate", "tls_key"])
def test_a_certificate_needs_its_key(tmp_path: Path, key: str) -> None:
    with pytest.raises(InvalidArgument, match="need each other"):
        server(tmp_path, f'{key} = "/etc/one.pem"')


OAUTH = ("[server.oauth]", 'issuer = "https://login.example.org/realms/home"', 'subjects = ["me"]')


def test_an_issuer_and_its_users_are_what_oauth_needs(tmp_path: Path) -> None:
    found = server(tmp_path, *OAUTH).oauth

    assert found is not None
    assert (found.issuer, found.subjects) == ("https://login.example.org/realms/home", ("me",))
    assert (found.audience, found.jwks_url, found.scopes.send) == (None, None, "send")


@for_each(
    ("written", "complaint"),
    [
        ('issuer = "http://login.example.org"', r"oauth\.issuer: .*line 3"),
        ('issuer = "https://login.example.org#x"', r"oauth\.issuer: .*line 3"),
        ("subjects = []", r"oauth\.subjects: .*line 4"),
        ('jwks_url = "http://login.example.org/keys"', r"oauth\.jwks_url: .*line 5"),
        ('audiense = "x"', r"oauth\.audiense: unknown setting .*line 5"),
        ('scopes = { write = "x" }', r"oauth\.scopes\.write: unknown setting .*line 5"),
        ('scopes = { read = "two words" }', r"oauth\.scopes\.read: .*line 5"),
        ('accounts = { you = ["work"] }', r"oauth: accounts: 'you' is none of the subjects .*line"),
    ],
)
def test_a_mistake_in_oauth_is_told_with_its_line(tmp_path: Path, written: str, complaint: str) -> None:
    key = written.partition(" ")[0]
    kept = [line for line in OAUTH if not line.startswith(f"{key} ")]
    place = next((index for index, line in enumerate(OAUTH) if line.startswith(f"{key} ")), len(OAUTH))
    kept.insert(place, written)

    with pytest.raises(InvalidArgument, match=complaint):
        server(tmp_path, *kept)


def test_oauth_without_users_would_let_in_everybody_and_is_refused(tmp_path: Path) -> None:
    found = server(tmp_path, *OAUTH[:2]).oauth
    assert found is not None
    with pytest.raises(InvalidArgument, match="subjects"):
        ResourceServer.of(found, "https://wa.example.org", None)
