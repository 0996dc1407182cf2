"""Agents: what they did and read, and who may write to them.

The audit says what they did, and who was given the words of strangers. Chats that have an agent may write to
it, and strangers ask to be let in.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import anyio.to_thread

from whatsapp_mcp.device.operations import agents, approvals
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.web.formats import called, chat_path
from whatsapp_mcp.web.site import Site, Tab

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from whatsapp_mcp.ledger import AuditRow
    from whatsapp_mcp.models import Pairing

ACTS: Final = "/acts"
ROWS_SHOWN: Final = 50
"""Rows of the audit on a page."""
_CHATS_NAMED: Final = 4
"""Chats of one row that are named; of the others it says how many."""
_KINDS: Final[dict[str, tuple[Literal["act", "reading"], ...]]] = {
    "": ("act",),
    "readings": ("reading",),
    "all": ("act", "reading"),
}
_TABS: Final = (
    Tab("", ACTS, "Acts"),
    Tab("readings", f"{ACTS}?show=readings", "Readings"),
    Tab("all", f"{ACTS}?show=all", "Both"),
)
_CLEAR: Final = "clear"
"""Purpose of the form that forgets what a principal was given; the principal follows."""
AGENTS: Final = "/agents"
_CODE_LASTS: Final = timedelta(hours=1)
"""Time for which a code lets a person in."""


class _ActRow(NamedTuple):
    """A row with what became of it, and its chats by name."""

    row: AuditRow
    outcome: str
    chats: tuple[tuple[str, str], ...]
    further: int


def act_routes(site: Site) -> list[Route]:
    """The routes of the audit."""
    pages = _Acts(site)
    return [
        site.route(ACTS, pages.show),
        site.route(f"{ACTS}/verify", pages.verify),
        site.route(f"{ACTS}/clear", pages.clear, "POST"),
    ]


@dataclass(frozen=True, slots=True)
class _Acts:
    site: Site

    async def show(self, request: Request) -> Response:
        given = request.query_params
        shown = given.get("show", "") if given.get("show", "") in _KINDS else ""
        before = given.get("before", "")
        if before and not (before.isascii() and before.isdecimal() and len(before) < 16):
            raise InvalidArgument("That is not the number of a row.", "Follow a link of the page.")
        audit = self.site.opened().ledger.audit
        # What agents have just read waits in memory to be written.
        await audit.flush()
        page = await anyio.to_thread.run_sync(
            audit.page, _KINDS[shown], ROWS_SHOWN, int(before) if before else None
        )
        acts = [row.seq for row in page.rows if row.kind == "act"]
        outcomes = await anyio.to_thread.run_sync(audit.outcomes, acts)
        names = await self._names(page.rows)
        rows = [self._shown(row, outcomes, names) for row in page.rows]
        exposed = self.site.opened().ledger.tainted()
        return self.site.page(
            request,
            "acts.html",
            "What agents did",
            rows=rows,
            tabs=_TABS,
            shown=shown,
            following=page.following,
            exposed=sorted((who, sorted(sources)) for who, sources in exposed.items()),
            clear=_CLEAR,
        )

    async def _names(self, rows: Iterable[AuditRow]) -> dict[str, str]:
        """The names of the chats that rows name, as far as they are shown."""
        jids = {jid for row in rows for jid in row.entry.chats[:_CHATS_NAMED]}
        names = await self.site.opened().archive.chat_names(jids)
        return {jid: called(names.get(jid, jid)) for jid in jids}

    def _shown(self, row: AuditRow, outcomes: dict[int, str], names: dict[str, str]) -> _ActRow:
        chats = row.entry.chats
        named = tuple((chat_path(jid), names[jid]) for jid in chats[:_CHATS_NAMED])
        return _ActRow(
            row, outcomes.get(row.seq, row.entry.outcome), named, max(0, len(chats) - _CHATS_NAMED)
        )

    async def verify(self, request: Request) -> Response:
        """Say whether the record is whole; it takes a second for each 50,000 rows or so."""
        faults = await anyio.to_thread.run_sync(self.site.opened().ledger.audit.verify)
        return self.site.page(
            request, "verified.html", "Is the record whole?", faults=faults[:50], count=len(faults)
        )

    async def clear(self, request: Request) -> Response:
        """Forget whose words were handed out to one principal."""
        form = await self.site.form(request)
        principal = form.get("principal", "")
        self.site.check(request, form, f"{_CLEAR} {principal}")
        async with self.site.opened().devices.use() as device:
            await device.do(approvals.clear_exposures, principal)
        return self.site.see(ACTS)


def agent_routes(site: Site) -> list[Route]:
    """The routes of agents that people write to."""
    pages = _Agents(site)
    return [site.route(AGENTS, pages.show), site.route(AGENTS, pages.decide, "POST")]


def _purpose(pairing: Pairing) -> str:
    # With the code: a form that was shown for an earlier request lets nobody in.
    return f"pairing {pairing.chat} {pairing.code}"


@dataclass(frozen=True, slots=True)
class _Agents:
    site: Site

    async def show(self, request: Request) -> Response:
        async with self.site.opened().devices.use() as device:
            status = await device.do(agents.agent_status)
        oldest = self.site.now() - _CODE_LASTS
        asking = [one for one in status.pairings if one.paired_at is None and one.given_at > oldest]
        return self.site.page(
            request,
            "agents.html",
            "Agents that people write to",
            chats=[(one, chat_path(one.chat)) for one in status.chats],
            asking=asking,
            paired=[one for one in status.pairings if one.paired_at is not None],
            cost=status.cost,
            purpose=_purpose,
        )

    async def decide(self, request: Request) -> Response:
        """Let a stranger in, or out again."""
        form = await self.site.form(request)
        async with self.site.opened().devices.use() as device:
            known = (await device.do(agents.agent_status)).pairings
            pairing = next((one for one in known if one.chat == form.get("chat")), None)
            if pairing is None:
                raise InvalidArgument("They do not ask any more.", "Load the page again.")
            self.site.check(request, form, _purpose(pairing))
            if form.get("do") == "pair":
                await device.do(agents.pair, pairing.code)
            elif form.get("do") == "drop":
                await device.do(agents.drop_pairing, pairing.chat)
            else:
                raise InvalidArgument("This form is not valid any more.", "Load the page again.")
        return self.site.see(AGENTS)
