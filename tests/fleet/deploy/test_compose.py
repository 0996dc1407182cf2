"""The fleet of `deploy/compose`: its settings, its certificates, and its two servers of PostgreSQL."""

from __future__ import annotations

import shutil
import signal
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from tests.fleet.deploy.compose import COMPOSE, FOLDER, SERVICES, Server, prepare, servers
from tests.fleet.postgres import debian_binaries
from tests.tables import for_each
from whatsapp_fleet.database import (
    MIGRATIONS,
    REPLICA_RIGHTS,
    Database,
    connect,
    migrate,
    require_schema,
)
from whatsapp_fleet.settings import load

PROGRAMS = ("node-1", "node-2", "replica-1", "replica-2")
PAIR = ("postgres-1", "postgres-2")


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `prepare` makes."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("volumes")
    prepare(folder)
    return folder


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Mapping[str, Server]]:
    """Both servers, not started."""
    if debian_binaries() is None or shutil.which("openssl") is None:
        pytest.skip("no PostgreSQL with TLS is installed")
    volumes = tmp_path / "volumes"
    volumes.mkdir()
    prepare(volumes)
    with servers(volumes) as made:
        yield made


def test_what_a_service_mounts_and_waits_for_is_there() -> None:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (FOLDER / source).exists(), (name, source)
        assert set(service.get("depends_on", [])) <= SERVICES.keys(), name
    assert (FOLDER / SERVICES["node-1"]["build"]["context"] / "Dockerfile").exists()


@for_each("name", SERVICES)
def test_a_service_has_as_little_as_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "devices", "pid", "ipc"} & service.keys()
    assert service.get("cap_add", []) == (["CHOWN", "DAC_OVERRIDE"] if name == "prepare" else [])
    # The Dockerfile names the user of programs.
    assert "build" in service or name == "prepare" or not service["user"].startswith("0")


def test_programs_mount_what_they_need_alone() -> None:
    for name in PROGRAMS:
        service = SERVICES[name]
        objects = ["objects:/objects"] if name.startswith("node") else []
        assert service["volumes"] == [f"{name}:/data", *objects]


def test_nothing_but_nginx_is_published_and_that_on_this_machine_alone() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"nginx": ["127.0.0.1:8443:8443"]}


def test_no_service_has_a_password_in_its_environment() -> None:
    for service in SERVICES.values():
        assert set(service.get("environment", {})) <= {"NAME", "PEER", "PRIMARY"}


def test_the_settings_of_each_program_are_ones(volumes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROGRAMS:
        monkeypatch.setenv("WHATSAPP_MCP_HOME", str(volumes / name))
        settings = load()
        assert settings.node.name == name
        address = urlsplit(settings.database.get_secret_value())
        assert address.username == ("fleet" if "node" in name else "replica")
        assert parse_qs(address.query)["target_session_attrs"] == ["read-write"]
        assert parse_qs(address.query)["sslmode"] == ["verify-full"]
        assert [host.partition(":")[0] for host in address.netloc.rpartition("@")[2].split(",")] == list(PAIR)


def is_for(certificate: Path, authority: Path, host: str, purpose: str) -> bool:
    """Whether an authority has issued a certificate for a host, and for a purpose as OpenSSL calls it."""
    verify = ["openssl", "verify", "-CAfile", authority, "-verify_hostname", host, "-purpose", purpose]
    return subprocess.run([*verify, certificate], capture_output=True, check=False).returncode == 0


@for_each(
    ("name", "authority", "host", "purpose"),
    [
        *((name, "fleet", name, "sslserver" if "node" in name else "sslclient") for name in PROGRAMS),
        *((name, "servers", name, "sslserver") for name in PAIR),
        ("nginx", "servers", "localhost", "sslserver"),
    ],
)
def test_a_certificate_is_for_its_service_and_for_one_use(
    volumes: Path, name: str, authority: str, host: str, purpose: str
) -> None:
    folder = volumes / name
    certificate = folder / "tls.crt"
    ssl.create_default_context().load_cert_chain(certificate, folder / "tls.key")
    assert {
        (issuer, use)
        for issuer in ("fleet", "servers")
        for use in ("sslserver", "sslclient")
        if is_for(certificate, volumes / "authority" / f"{issuer}.crt", host, use)
    } == {(authority, purpose)}


def test_nodes_let_the_certificates_of_replicas_call_alone(
    volumes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("node-1", "node-2"):
        monkeypatch.setenv("WHATSAPP_MCP_HOME", str(volumes / name))
        assert load().node.replicas == tuple(each for each in PROGRAMS if "node" not in each)


def test_replicas_believe_the_address_of_nginx_alone(volumes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = SERVICES["nginx"]["networks"]["default"]["ipv4_address"]
    [pool] = COMPOSE["networks"]["default"]["ipam"]["config"]
    assert ip_address(address) in ip_network(pool["subnet"])
    assert ip_address(address) not in ip_network(pool["ip_range"])
    for name in ("replica-1", "replica-2"):
        monkeypatch.setenv("WHATSAPP_MCP_HOME", str(volumes / name))
        assert load().server.trusted_proxies == (str(ip_network(address)),)


def test_what_is_prepared_stays_and_a_deleted_certificate_is_made_again(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    prepare(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    renewed = tmp_path / "node-1" / "tls.crt"
    renewed.unlink()
    prepare(tmp_path)
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    changed = {path for path in before if before[path] != after[path]}
    assert changed == {renewed, tmp_path / "node-1" / "tls.key", tmp_path / "authority" / "fleet.srl"}


def test_a_commit_waits_for_the_second_server_also_after_a_failover(pair: Mapping[str, Server]) -> None:
    first, second = (pair[name] for name in PAIR)
    first.start()
    second.start()
    assert second.asked("SELECT pg_is_in_recovery()") is True
    connect(Database(first.url("fleet"))).close()
    assert first.asked("SELECT rolcreaterole FROM pg_roles WHERE rolname = current_user") is True
    with psycopg.connect(first.url("fleet"), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
    with connect(Database(first.url("fleet"))) as session:
        migrate(session, MIGRATIONS)
    first.grant()
    with connect(Database(first.url("replica"))) as session:
        require_schema(session, MIGRATIONS, REPLICA_RIGHTS)
    first.stop(signal.SIGQUIT)
    with psycopg.connect(second.superuser(), autocommit=True) as connection:
        connection.execute("SELECT pg_promote()")
    assert second.asked("SELECT value FROM kept") == 7
    connect(Database(second.url("fleet"))).close()
    # The one that was failed over from does not come back as a primary.
    first.start()
    assert "postgres-2 is primary already" in first.ended()
    shutil.rmtree(first.folder / "data")
    first.primary = "postgres-2"
    first.start()
    assert first.asked("SELECT pg_is_in_recovery()") is True
    with psycopg.connect(second.url("fleet"), autocommit=True) as connection:
        connection.execute("INSERT INTO kept VALUES (8)")
    assert first.asked("SELECT sum(value)::int FROM kept") == 15


def test_nobody_comes_in_without_tls_or_as_the_superuser_over_the_network(pair: Mapping[str, Server]) -> None:
    first = pair["postgres-1"]
    first.start()
    first.asked("SELECT 1")
    plain = first.url("fleet").replace("sslmode=verify-full", "sslmode=disable")
    for url in (plain, first.url("superuser").replace("superuser:", "postgres:")):
        with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf"):
            psycopg.connect(url)
