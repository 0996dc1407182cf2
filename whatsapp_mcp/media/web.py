"""The public web, with no way into private networks (SSRF).

A name is resolved once, every address it has must be public, and the address that was looked at is the one
that is asked; so after each redirect. Neither cookies nor credentials are used, and no proxy but one that is
given, which is asked for that address, too.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urljoin, urlsplit

import anyio

from whatsapp_mcp.errors import FileNotAllowed, InvalidArgument, MediaUnavailable, NotConnected, TooLong
from whatsapp_mcp.text.network_addresses import Address, address_of, is_public, leads_here

if TYPE_CHECKING:
    import httpx2

LIMIT: Final = 40.0
"""Seconds for everything."""
_REDIRECTS: Final = 3
_CHUNK: Final = 1 << 16
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_PORTS: Final = {"http": 80, "https": 443}
_PROXY_PORTS: Final = {**_PORTS, "socks5": 1080}
_CHECK_PROXY: Final = "Tell the user to check `network.proxy`; one on this computer is named by its address."
_HEADERS: Final = {"User-Agent": "whatsapp-mcp", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Fetched:
    """The response of a URL; `url` is the last one after all redirects."""

    url: str
    content: bytes
    media_type: str

    @property
    def name(self) -> str:
        """The last part of the URL's path."""
        return unquote(Path(urlsplit(self.url).path).name)


async def fetch(
    url: str, size: int, *, within: float = LIMIT, cut: bool = False, proxy: str | None = None
) -> Fetched:
    """Fetch what an http(s) URL of the public internet answers.

    Args:
        url: The URL.
        size: Bytes at most.
        within: Seconds at most.
        cut: Whether a longer answer is cut to `size`, rather than refused.
        proxy: URL of the proxy to go through; names are still looked up here.

    Raises:
        InvalidArgument: It is no URL of the web.
        FileNotAllowed: It is, or redirects to, an address that is not public; or as `pinned_proxy`.
        MediaUnavailable: It does not answer, or answers with an error.
        TooLong: It is larger.
    """
    import httpx2

    try:
        with anyio.fail_after(within):
            for _ in range(_REDIRECTS + 1):
                # A client of its own for each hop: connections to one address must not serve two names.
                async with httpx2.AsyncClient(
                    trust_env=False, timeout=within, headers=_HEADERS, proxy=await pinned_proxy(proxy)
                ) as http:
                    answer = await _ask(http, url, size, cut)
                if isinstance(answer, Fetched):
                    return answer
                url = urljoin(url, answer)
    except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, ValueError) as error:
        raise MediaUnavailable("The URL does not answer.", "Check the URL.") from error
    raise MediaUnavailable("Too many redirects.", "Give the URL of the file itself.")


async def _ask(http: httpx2.AsyncClient, url: str, size: int, cut: bool) -> Fetched | str:
    """Request one URL; return the response, or the URL that it redirects to."""
    place = await locate(url)
    async with http.stream(
        "GET", place.pinned, headers={"Host": place.host}, extensions={"sni_hostname": place.name}
    ) as answer:
        if answer.is_redirect:
            return str(answer.headers.get("location", ""))
        if not answer.is_success:
            raise MediaUnavailable(f"The URL answered {answer.status_code}.", "Check the URL.")
        content = bytearray()
        async for chunk in answer.aiter_bytes(_CHUNK):
            content += chunk
            if len(content) > size:
                if cut:
                    break
                raise TooLong(f"The file is larger than {size / 1e6:g} MB.")
        media_type = str(answer.headers.get("content-type", "")).partition(";")[0].strip().lower()
        return Fetched(url, bytes(content[:size]), media_type)


@dataclass(frozen=True, slots=True)
class ResolvedUrl:
    """A name, the `Host` to ask for, and the URL with the address that was looked at in place of the name."""

    name: str
    host: str
    pinned: str


async def locate(url: str, *, private: bool = False) -> ResolvedUrl:
    """Look up where an http(s) URL leads.

    Args:
        url: The URL.
        private: Whether it may lead to this computer or a private network.

    Raises:
        InvalidArgument: It is no URL of the web.
        FileNotAllowed: It leads to an address that is not public.
        MediaUnavailable: Its host does not exist.
    """
    try:
        parts = urlsplit(url)
        given = parts.port
    except ValueError as error:
        raise InvalidArgument("This is not a URL of the web.") from error
    name = parts.hostname
    if parts.scheme not in _PORTS or not name or parts.username is not None:
        raise InvalidArgument("This is not a URL of the web.", "Give an https URL.")
    if _CONTROL.search(unquote(parts.path)):
        raise InvalidArgument("The path of the URL holds a control character.", "Give another URL.")
    port = given or _PORTS[parts.scheme]
    try:
        # IDNA refuses the colons of an IPv6 address.
        name = name if ":" in name else name.encode("idna").decode()
        addresses = await _looked_up(name, port)
    except (OSError, UnicodeError) as error:
        raise MediaUnavailable("The host of the URL does not exist.", "Check the URL.") from error
    if not addresses or not (private or all(map(is_public, addresses))):
        raise FileNotAllowed(
            "The URL, or one that it redirects to, is not on the public internet.",
            "Give a public URL, or a path.",
        )
    address = f"[{addresses[0]}]" if addresses[0].version == 6 else str(addresses[0])
    shown = f"[{name}]" if ":" in name else name
    return ResolvedUrl(
        name,
        shown if given is None else f"{shown}:{given}",
        parts._replace(netloc=f"{address}:{port}", fragment="").geturl(),
    )


async def pinned_proxy(url: str | None) -> str | None:
    """The URL of a proxy for what is opened next, with the address that was looked at in place of its name.

    Whoever names a proxy may also say where the name leads, and change that at any time. So a name never
    leads to this computer, nor to what answers computers alone; who means that gives the address itself. The
    name stays where the proxy shows a certificate for it.

    Args:
        url: As the settings have it; None where there is none.

    Raises:
        FileNotAllowed: Its name leads there.
        NotConnected: Its host does not exist.
    """
    parts = urlsplit(url or "")
    name = parts.hostname
    if url is None or name is None or name == "localhost" or address_of(name):
        return url
    port = parts.port or _PROXY_PORTS[parts.scheme]
    try:
        addresses = await _looked_up(name, port)
    except (OSError, UnicodeError) as error:
        raise NotConnected("The host of the proxy does not exist.", _CHECK_PROXY) from error
    if any(map(leads_here, addresses)):
        raise FileNotAllowed(
            "The name of the proxy leads to the computer that would use it, or to a service for it alone.",
            _CHECK_PROXY,
        )
    if parts.scheme == "https":
        return url
    user, separator, _ = parts.netloc.rpartition("@")
    address = f"[{addresses[0]}]" if addresses[0].version == 6 else str(addresses[0])
    return parts._replace(netloc=f"{user}{separator}{address}:{port}").geturl()


async def _looked_up(name: str, port: int) -> list[Address]:
    """Every address that a name has.

    Raises:
        OSError, UnicodeError: It has none.
    """
    entries = await anyio.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    # The zone of a link-local address (`fe80::1%eth0`) says nothing of whether it is public.
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in entries]
