"""Previews that WhatsApp shows for a message with a URL: title, description and a small picture of the page.

As in WhatsApp's own apps the sender fetches the page. Its owner then learns the sender's network address, so
this is done only where a send asks for it. A page that cannot be read in time leaves the message without.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.media.reading import picture
from whatsapp_mcp.media.web import Fetched, fetch
from whatsapp_mcp.media.worker import Worker

LIMIT: Final = 4.0
"""Seconds for the page, and as many for its picture."""
_PAGE_BYTES: Final = 256_000
"""Most bytes read of a page; the head, with the data of a preview, comes first."""
_PICTURE_BYTES: Final = 5_000_000
_PICTURE_PIXELS: Final = 192
_MAX_TITLE: Final = 200
_MAX_DESCRIPTION: Final = 400
_URL: Final = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_AFTER_A_URL: Final = ".,;:!?'*_~)]}»”’"
"""Signs that end a sentence rather than a URL."""
# Bounded patterns rather than a parser: whatever a page holds, reading it takes time in proportion.
_META: Final = re.compile(r"<meta\s([^<>]{1,3000})>", re.IGNORECASE)
_ATTRIBUTE: Final = re.compile(r"([a-zA-Z:-]{1,40})\s{0,9}=\s{0,9}(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")
_TITLE: Final = re.compile(r"<title(?:\s[^<>]{0,200})?>([^<]{1,1000})", re.IGNORECASE)
_CHARSET: Final = re.compile(
    rb"charset\s{0,9}=\s{0,9}[\"']?(iso-8859-\d{1,2}|latin-?1|windows-125\d|koi8-[ru]|shift_jis|euc-(?:jp|kr)"
    rb"|gb2312|gbk|gb18030|big5|tis-620)\b",
    re.IGNORECASE,
)
"""Character sets that the web uses beside UTF-8; Python knows more, some of which are not character sets."""


@dataclass(frozen=True, slots=True)
class Preview:
    """A preview of a page; `url` is in the message's text, `thumbnail` is a JPEG."""

    url: str
    title: str
    description: str = ""
    thumbnail: bytes = b""


def first_url(text: str) -> str | None:
    """The first URL in a text."""
    match = _URL.search(text)
    if match is None:
        return None
    url = match[0]
    # A parenthesis that was opened in the URL belongs to it, as in many addresses of Wikipedia.
    while url[-1] in _AFTER_A_URL and not (url[-1] == ")" and url.count("(") >= url.count(")")):
        url = url[:-1]
    return url


async def preview_of(text: str, worker: Worker, proxy: str | None = None) -> Preview | None:
    """The preview of the first URL in a text; None when there is none, or its page cannot be read.

    Its picture is left out when it cannot be read. Both are fetched through `proxy`, if there is one.
    """
    url = first_url(text)
    if url is None:
        return None
    try:
        page = await fetch(url, _PAGE_BYTES, within=LIMIT, cut=True, proxy=proxy)
    except WhatsAppError:
        return None
    if page.media_type not in {"text/html", "application/xhtml+xml"}:
        return None
    facts = page_facts(page)
    title = facts.get("og:title") or facts.get("title")
    if not title:
        return None
    description = facts.get("og:description") or facts.get("description") or ""
    image = facts.get("og:image") or facts.get("twitter:image")
    thumbnail = await _thumbnail(page.url, image, worker, proxy) if image else b""
    return Preview(url, title[:_MAX_TITLE], description[:_MAX_DESCRIPTION], thumbnail)


async def _thumbnail(page: str, image: str, worker: Worker, proxy: str | None) -> bytes:
    try:
        fetched = await fetch(urljoin(page, image), _PICTURE_BYTES, within=LIMIT, proxy=proxy)
        return (await picture(worker, fetched.content, _PICTURE_PIXELS)).content
    except (WhatsAppError, ValueError):
        return b""


def page_facts(page: Fetched) -> dict[str, str]:
    """Return the metadata in a page's head by its Open Graph and HTML names, each value on one line."""
    text = _text(page.content)
    facts: dict[str, str] = {}
    for tag in _META.finditer(text):
        said = {name.lower(): a or b or c for name, a, b, c in _ATTRIBUTE.findall(tag[1])}
        name = (said.get("property") or said.get("name") or "").lower()
        if name and said.get("content"):
            facts.setdefault(name, _line(said["content"]))
    title = _TITLE.search(text)
    if title:
        facts["title"] = _line(title[1])
    return facts


def _text(content: bytes) -> str:
    """The page in the character set that it names, else in UTF-8."""
    named = _CHARSET.search(content[:4096])
    try:
        return content.decode(named[1].decode() if named else "utf-8", errors="replace")
    except (LookupError, UnicodeError):
        return content.decode(errors="replace")


def _line(text: str) -> str:
    shown = (char for char in html.unescape(text) if char.isprintable() or char.isspace())
    return " ".join("".join(shown).split())
