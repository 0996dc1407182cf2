"""A server that others can reach has a token and TLS, or a person has said why not."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
import trustme
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.fixtures import http_server
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.runtime import Runtime
from whatsapp_mcp.server.transports import prepare
from whatsapp_mcp.settings import Settings
from whatsapp_simulator import WhatsApp

ELSEWHERE = "192.0.2.1"
"""An address of documentation, which this machine does not have: whoever is let on fails there."""
NOT_BOUND = f"Port 0 on {ELSEWHERE} cannot be used"


def prepared(
    home: Path, host: str, server: dict[str, Any] | None = None, *, auth: bool = True
) -> Callable[..., Any]:
    """What would serve on this host with these settings of `[server]`."""
    settings = Settings.model_validate({"home": home, "server": server or {}})
    runtime = Runtime(settings, "default")
    return prepare(create(runtime), [runtime], host=host, port=0, auth=auth)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def certificate(tmp_path: Path, authority: trustme.CA) -> dict[str, Any]:
    """The settings of a certificate for loopback."""
    issued = authority.issue_cert("127.0.0.1", "localhost")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    with (tmp_path / "certificate.pem").open("wb") as file:
        for blob in issued.cert_chain_pems:
            file.write(blob.bytes())
    return {"tls_certificate": str(tmp_path / "certificate.pem"), "tls_key": str(tmp_path / "key.pem")}


def test_without_a_token_a_server_is_on_loopback_only(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="--no-auth"):
        prepared(tmp_path, ELSEWHERE, {"allow_unencrypted": True}, auth=False)


@pytest.mark.parametrize("host", ["127.0.0.1", ELSEWHERE])
@pytest.mark.parametrize(
    ("name", "value"), [("public_url", "https://wa.example.org"), ("trusted_proxies", ["127.0.0.1"])]
)
def test_a_server_that_others_reach_through_a_proxy_asks_for_tokens(
    tmp_path: Path, host: str, name: str, value: Any
) -> None:
    with pytest.raises(InvalidArgument, match=f"--no-auth .*server.{name}") as refused:
        prepared(tmp_path, host, {name: value, "allow_unencrypted": True}, auth=False)
    assert "Omit --no-auth" in refused.value.action
    assert not (tmp_path / "http-token").exists()


@pytest.mark.parametrize("written", ["variable", "file", "nowhere"])
def test_the_command_refuses_what_would_be_exposed_and_says_what_to_do(tmp_path: Path, written: str) -> None:
    options = ["--transport", "http", "--port", "0", "--no-auth"]
    given = {"WHATSAPP_MCP_SERVER__TRUSTED_PROXIES": "127.0.0.1"} if written == "variable" else {}
    if written == "file":
        (tmp_path / "config.toml").write_text('[server]\npublic_url = "https://wa.example.org"\n')
    if written == "nowhere":
        options[-1:] = ["--host", ELSEWHERE]
    command = [sys.executable, "-m", "whatsapp_mcp", "serve", *options]
    environment = os.environ | {"WHATSAPP_MCP_HOME": str(tmp_path)} | given
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert ("Omit --no-auth" if options[-1] == "--no-auth" else "server.tls_certificate") in ended.stderr


def test_without_tls_a_server_is_on_loopback_only(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="Without TLS") as refused:
        prepared(tmp_path, ELSEWHERE)
    for way in ("tls_certificate", "trusted_proxies", "allow_unencrypted"):
        assert way in refused.value.action


@pytest.mark.parametrize("said", [{"allow_unencrypted": True}, {"trusted_proxies": ["172.18.0.2"]}])
def test_a_person_can_say_that_nobody_listens_or_a_proxy_encrypts(
    tmp_path: Path, said: dict[str, Any]
) -> None:
    with pytest.raises(InvalidArgument, match=NOT_BOUND):
        prepared(tmp_path, ELSEWHERE, said)


def test_a_certificate_encrypts(tmp_path: Path, certificate: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match=NOT_BOUND):
        prepared(tmp_path, ELSEWHERE, certificate)


def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path, certificate: dict[str, Any]) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().issue_cert("127.0.0.1").private_key_pem.write_to_path(other)
    for file in (tmp_path / "missing.pem", other):
        with pytest.raises(InvalidArgument, match="cannot be used") as refused:
            prepared(tmp_path, "127.0.0.1", {**certificate, "tls_key": str(file)})
        assert str(file) in refused.value.message


@pytest.mark.anyio
async def test_an_mcp_client_uses_a_server_with_a_certificate(
    whatsapp: WhatsApp, home: Path, authority: trustme.CA, certificate: dict[str, Any]
) -> None:
    with (home / "config.toml").open("a", encoding="utf-8") as config:
        config.write("[server]\n" + "".join(f"{key} = '{value}'\n" for key, value in certificate.items()))
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    with anyio.fail_after(60):
        async with (
            http_server(whatsapp, home, verify=trust) as server,
            httpx2.AsyncClient(headers=server.headers, verify=trust, trust_env=False) as http,
            Client(streamable_http_client(f"{server.base}/mcp", http_client=http)) as client,
        ):
            assert server.base.startswith("https://")
            assert (await client.list_tools()).tools
