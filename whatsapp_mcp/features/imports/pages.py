"""Imports of what other programs have archived: begun with a path on the server's computer, and followed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.features.imports import operations as imports
from whatsapp_mcp.features.imports.requests import ImportRequest
from whatsapp_mcp.models import ImportState
from whatsapp_mcp.web import formats
from whatsapp_mcp.web.site import FeaturePages, NavigationEntry, Site

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from whatsapp_mcp.features.imports.requests import ImportProgress
    from whatsapp_mcp.models import Chat

IMPORTS: Final = "/imports"
_FORM: Final = "import"
_OFFERED: Final = 10
"""Chats that are offered for an exported one."""


def import_routes(site: Site) -> list[Route]:
    """The routes of imports."""
    pages = _Imports(site)
    return [
        site.route(IMPORTS, pages.show),
        site.route(IMPORTS, pages.begin, "POST"),
        site.route(f"{IMPORTS}/cancel", pages.cancel, "POST"),
        site.route(f"{IMPORTS}/{{number:int}}/undo", pages.ask),
        site.route(f"{IMPORTS}/{{number:int}}/undo", pages.undo, "POST"),
    ]


@dataclass(frozen=True, slots=True)
class _Ask:
    """An exported chat of which a person has to say which chat it is: its file, its path, what it may be."""

    file: str
    path: str
    offered: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _ImportCard:
    """An import with what the page says of it."""

    one: ImportProgress
    chat: Chat | None
    told: tuple[str, ...]
    asks: tuple[_Ask, ...]
    undoes: bool

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers under which it can be undone."""
        return () if self.one.state is ImportState.UNDONE or not self.one.is_over else self.one.numbers


@dataclass(frozen=True, slots=True)
class _Imports:
    site: Site

    async def show(self, request: Request) -> Response:
        async with self.site.opened().devices.use() as device:
            known = await device.do(imports.imports)
        return self.site.page(
            request,
            "imports/templates/imports.html",
            "Imports",
            # The form is gone while one runs: what is typed there would be lost when the page is renewed.
            live=any(not one.is_over for one in known),
            imports=[await self._shown(one) for one in known],
            purpose=_FORM,
            cancels=_cancels,
        )

    async def _shown(self, progress: ImportProgress) -> _ImportCard:
        from whatsapp_mcp.features.imports.importing import brought, how_far, left_out

        archive = self.site.opened().archive
        asks: list[_Ask] = []
        for match in progress.asks:
            offered = [
                (jid, self._called(jid, await archive.chat(jid))) for jid in match.candidates[:_OFFERED]
            ]
            asks.append(_Ask(match.file, str(PurePath(progress.path) / match.file), tuple(offered)))
        running = () if progress.is_over else (f"{how_far(progress)}.",)
        said = (*running, brought(progress.report), left_out(progress.report))
        chat = await archive.chat(progress.chat) if progress.chat else None
        return _ImportCard(
            progress, chat, tuple(filter(None, said)), tuple(asks), progress.step.value == "undoing"
        )

    def _called(self, jid: str, chat: Chat | None) -> str:
        """A chat as it is told from others of its name."""
        words = list(dict.fromkeys((formats.called(chat.name if chat else jid), formats.unnamed(jid))))
        if chat and chat.last_message_at:
            words.append(f"last message {formats.when(chat.last_message_at, self.site.zone)}")
        return ", ".join(words)

    async def begin(self, request: Request) -> Response:
        """Begin an import."""
        form = await self.site.form(request)
        self.site.check(request, form, _FORM)
        given = {name: text.strip() or None for name, text in form.items()}
        chat = given.get("chat") or given.get("other")
        wanted = ImportRequest(
            given.get("path") or "",
            (await self.site.meant(chat)).jid if chat else None,
            given.get("me"),
            form.get("key") or None,
            given.get("key_file"),
            given.get("media"),
            given.get("names"),
            dry_run=form.get("dry_run") == "yes",
        )
        async with self.site.opened().devices.use() as device:
            await device.do(imports.begin_import, wanted)
        return self.site.see(IMPORTS)

    async def cancel(self, request: Request) -> Response:
        """Cancel one that waits or runs."""
        form = await self.site.form(request)
        ticket = form.get("ticket", "")
        self.site.check(request, form, _cancels(ticket))
        async with self.site.opened().devices.use() as device:
            await device.do(imports.cancel_import, int(ticket))
        return self.site.see(IMPORTS)

    async def ask(self, request: Request) -> Response:
        """Ask once more before what an import brought is removed."""
        number: int = request.path_params["number"]
        async with self.site.opened().devices.use() as device:
            matches = [one for one in await device.do(imports.imports) if number in one.numbers]
        if not matches:
            raise InvalidArgument("There is no such import.", "Look at the list of imports.")
        return self.site.page(
            request,
            "imports/templates/undo_import.html",
            f"Undo import {number}",
            one=matches[0],
            number=number,
            purpose=_undoes(number),
        )

    async def undo(self, request: Request) -> Response:
        """Remove what only this import brought."""
        number: int = request.path_params["number"]
        form = await self.site.form(request)
        self.site.check(request, form, _undoes(number))
        async with self.site.opened().devices.use() as device:
            await device.do(imports.undo_import, number)
        return self.site.see(IMPORTS)


def _cancels(ticket: object) -> str:
    return f"cancel import {ticket}"


def _undoes(number: int) -> str:
    return f"undo import {number}"


IMPORT_PAGES: Final = FeaturePages((NavigationEntry(IMPORTS, "Imports"),), import_routes)
"""The pages of imports of an account."""
