"""Kinds of IP addresses: public, near, and those of the machine itself or of a service for it alone.

The tables follow the IANA registries of special-purpose addresses
(https://www.iana.org/assignments/iana-ipv4-special-registry, …/iana-ipv6-special-registry). What Python
itself says (`is_global`, `is_private`) differs between its patch releases, so nothing here asks it.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(text: str) -> tuple[_Network, ...]:
    return tuple(map(ipaddress.ip_network, text.split()))


_LOOPBACK: Final = _networks("127.0.0.0/8 ::1/128")
_PRIVATE: Final = _networks("10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7")
"""RFC 1918 and RFC 4193."""
_LINK_LOCAL: Final = _networks("169.254.0.0/16 fe80::/10")
_UNSPECIFIED: Final = _networks("0.0.0.0/8 ::/128")
_OF_CLOUDS: Final = _networks(
    # Azure, Alibaba Cloud, Oracle Cloud
    "168.63.129.16/32 100.100.100.200/32 192.0.0.192/32 fd00:c1::/32"
    # Amazon, Google, Scaleway
    " fd00:ec2::/32 fd20:ce::/32 fd00:42::/32"
)
"""Networks of clouds' metadata services, which tell a machine its passwords, outside the link-local
networks."""
_NOT_PUBLIC_4: Final = (
    *_networks(
        # shared by customers of a provider (RFC 6598); IETF protocols; documentation
        "100.64.0.0/10 192.0.0.0/24 192.0.2.0/24 198.51.100.0/24 203.0.113.0/24"
        # relays of 6to4 (RFC 7526); benchmarks; multicast; reserved, with broadcast
        " 192.88.99.0/24 198.18.0.0/15 224.0.0.0/4 240.0.0.0/4"
    ),
    *(_LOOPBACK + _PRIVATE + _LINK_LOCAL + _UNSPECIFIED + _OF_CLOUDS),
)
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
"""The part of IPv6 from which public addresses are allocated; every other block is special."""
_NOT_PUBLIC_6: Final = _networks(
    # IETF protocols, Teredo and ORCHID among them; documentation (RFC 3849, RFC 9637)
    "2001::/23 2001:db8::/32 3fff::/20"
    # 6to4: a relay decides where it leads, and public ones are gone (RFC 7526)
    " 2002::/16"
)
_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""Prefix by which networks with IPv6 alone reach every IPv4 server (RFC 6052)."""
_IN_LAST_BITS: Final = (
    _MAPPED,
    _NAT64,
    # NAT64 of a site (RFC 8215), translated (RFC 2765), compatible (RFC 4291)
    *_networks("64:ff9b:1::/48 ::ffff:0:0:0/96 ::/96"),
)
_TEREDO: Final = ipaddress.IPv6Network("2001::/32")
_6TO4: Final = ipaddress.IPv6Network("2002::/16")


def address_of(host: str) -> Address | None:
    """The address that a host of a URL is, as it is written; None for a name.

    Systems take short and other forms of IPv4 as well: `127.1`, `2130706433`, `0x7f.0.0.1`.
    """
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def is_public(address: Address) -> bool:
    """Return whether an address, with any IPv4 address that it stands for, is on the public internet."""
    if isinstance(address, ipaddress.IPv4Address):
        return not _is_in(address, _NOT_PUBLIC_4)
    if address in _MAPPED or address in _NAT64:
        return is_public(_last_bits(address))
    return address in _GLOBAL_UNICAST and not _is_in(address, _NOT_PUBLIC_6)


def is_near(address: Address) -> bool:
    """Return whether an address is this computer's, or in a private or link-local network."""
    if isinstance(address, ipaddress.IPv6Address) and address in _MAPPED:
        address = _last_bits(address)
    return _is_in(address, _LOOPBACK + _PRIVATE + _LINK_LOCAL)


def leads_here(address: Address) -> bool:
    """Return whether an address leads to the connecting machine, or to a link-local or metadata service."""
    return any(
        _is_in(each, _LOOPBACK + _LINK_LOCAL + _UNSPECIFIED + _OF_CLOUDS)
        for each in (address, *_carried(address))
    )


def _carried(address: Address) -> list[ipaddress.IPv4Address]:
    """The IPv4 addresses in one of IPv6 to which something on the way may lead."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    addresses = [_last_bits(address)] if _is_in(address, _IN_LAST_BITS) else []
    if address in _6TO4:
        addresses.append(ipaddress.IPv4Address(int(address) >> 80 & 0xFFFFFFFF))
    if address in _TEREDO:  # RFC 4380: the client's, with each bit inverted
        addresses.append(ipaddress.IPv4Address(~int(address) & 0xFFFFFFFF))
    return addresses


def _last_bits(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


def _is_in(address: Address, networks: tuple[_Network, ...]) -> bool:
    return any(address in network for network in networks)
