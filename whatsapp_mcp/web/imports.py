"""Imports of what other programs have archived: begun with a path on the server's computer, and followed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.web.site import Site, see

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

IMPORTS: Final = "/imports"
_FORM: Final = "import"


def import_routes(site: Site) -> list[Route]:
    """The routes of imports."""
    pages = _Imports(site)
    return [site.route(IMPORTS, pages.show), site.route(IMPORTS, pages.begin, "POST")]


@dataclass(frozen=True, slots=True)
class _Imports:
    site: Site

    async def show(self, request: Request) -> Response:
        opened = self.site.opened()
        async with opened.devices.use() as device:
            imports = await device.imports()
        chats = {one.chat: await opened.archive.chat(one.chat) for one in imports if one.chat}
        return self.site.page(
            request,
            "imports.html",
            "Imports",
            # The form is gone while one runs: what is typed there would be lost when the page is renewed.
            live=any(one.ended is None for one in imports),
            imports=[(one, chats.get(one.chat or "")) for one in imports],
            purpose=_FORM,
        )

    async def begin(self, request: Request) -> Response:
        """Begin an import."""
        form = await self.site.form(request)
        self.site.check(request, form, _FORM)
        chat, me = form.get("chat", "").strip(), form.get("me", "").strip()
        jid = (await self.site.meant(chat)).jid if chat else None
        async with self.site.opened().devices.use() as device:
            await device.begin_import(form.get("path", "").strip(), jid, me or None)
        return see(IMPORTS)
