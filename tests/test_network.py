"""Which addresses are public, near or the machine's own: the same in every release of Python."""

from __future__ import annotations

import ast
import ipaddress
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import whatsapp_mcp
from tests.tables import for_each
from whatsapp_mcp.text.network_addresses import address_of, is_near, is_public, leads_here

PACKAGE = Path(whatsapp_mcp.__file__).parent
PUBLIC = (
    "1.1.1.1 8.8.8.8 100.128.0.1 172.32.0.1 192.0.1.1 198.20.0.1 2606:4700::1111 2a00:1450::1"
    " 64:ff9b::808:808 ::ffff:8.8.8.8"
).split()
NOT_PUBLIC = (
    "0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.8.8.8 169.254.169.254"
    " 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.9 192.0.0.170 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1"
    " 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255"
    # of clouds
    " 100.100.100.200 168.63.129.16 fd00:ec2::254 fd00:ec2::23 fd20:ce::254 fd00:c1::a9fe:a9fe fd00:42::42"
    " :: ::1 fe80::1 fec0::1 fc00::1 fd00::1 ff02::1 ff0e::1 100::1 5f00::1 4000::1 8000::1"
    # Teredo, benchmarks, ORCHID, documentation
    " 2001::1 2001:0:808:808::1 2001:1::1 2001:2::1 2001:10::1 2001:20::1 2001:30::1 2001:db8::1 3fff::1"
    # IPv4 in IPv6: mapped, translated, compatible, NAT64, 6to4
    " ::ffff:127.0.0.1 ::ffff:192.0.0.192 ::ffff:0:808:808 ::ffff:0:7f00:1 ::808:808 ::7f00:1 64:ff9b::7f00:1"
    " 64:ff9b::a00:1 64:ff9b::a9fe:a9fe 64:ff9b::c000:c0 64:ff9b:1::808:808 64:ff9b:1::a00:1 2002:7f00:1::"
    " 2002:a00:1:: 2002:808:808::"
).split()
HERE = (
    "0.0.0.0 127.0.0.1 127.8.8.8 169.254.169.254 100.100.100.200 168.63.129.16 192.0.0.192 :: ::1 fe80::1"
    " fd00:ec2::254 fd00:ec2::23 fd20:ce::254 fd00:c1::a9fe:a9fe fd00:42::42"
    " ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::7f00:1 ::ffff:0:7f00:1 64:ff9b::a9fe:a9fe"
    " 64:ff9b:1::7f00:1 2002:7f00:1:: 2001:0:808:808::80ff:fffe"
).split()


@for_each("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@for_each("address", NOT_PUBLIC)
def test_an_address_of_a_private_network_or_for_a_special_purpose_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@for_each("address", HERE)
def test_the_machine_itself_and_what_hands_it_its_passwords_are_found_in_every_form(address: str) -> None:
    assert leads_here(ipaddress.ip_address(address))
    assert not is_public(ipaddress.ip_address(address))


@for_each("address", ["10.0.0.7", "192.168.1.1", "fd12::1", "64:ff9b::a00:7", *PUBLIC])
def test_another_machine_is_not_this_one(address: str) -> None:
    assert not leads_here(ipaddress.ip_address(address))


@for_each("address", ["127.0.0.1", "10.1.2.3", "192.168.1.1", "::1", "fd12::1", "::ffff:10.1.2.3"])
def test_private_networks_are_near_and_nothing_that_is_public_or_for_documents(address: str) -> None:
    assert is_near(ipaddress.ip_address(address))
    assert not any(is_near(ipaddress.ip_address(each)) for each in [*PUBLIC, "192.0.2.1", "203.0.113.1"])


@given(st.ip_addresses())
def test_nothing_is_public_that_is_near_or_leads_here_or_multicast(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if is_public(address):
        assert not is_near(address)
        assert not leads_here(address)
        assert not address.is_multicast


@for_each(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f.0.0.1", "127.0.0.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("localhost", None),
        ("example.org", None),
        ("exämple.org", None),
        ("a\0b", None),
        ("", None),
    ],
)
def test_an_address_is_recognised_in_whatever_form_systems_take_it(host: str, address: str | None) -> None:
    assert address_of(host) == (ipaddress.ip_address(address) if address else None)


def test_no_other_module_asks_python_which_addresses_are_public() -> None:
    asked = {
        f"{path.relative_to(PACKAGE)}: {node.attr}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in {"is_global", "is_private", "is_reserved"}
    }
    assert asked == set()
