"""What an agent may not do alone, from its call to a person's yes: in the host, the terminal and the page."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client import ClientRequestContext
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.types import ElicitRequestParams, ElicitResult, Implementation

from tests.cli.test_black_box import run
from tests.fixtures import client_of, command, environment, http_server, link, mcp_client, said
from tests.server.linked import png
from tests.web.site import sign_in
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio
YES = ElicitResult(action="accept", content={"decision": "Yes, do it"})


@asynccontextmanager
async def host(
    whatsapp: WhatsApp, home: Path, answer: ElicitResult, mode: Literal["auto", "legacy"] = "auto"
) -> AsyncGenerator[Client]:
    """An application that shows questions to a person, and a server of its own."""

    async def answered(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        return answer

    program, *arguments = command("serve")
    server = StdioServerParameters(command=program, args=arguments, env=environment(whatsapp, home))
    info = Implementation(name="claude-code", version="1")
    async with Client(
        stdio_client(server), mode=mode, client_info=info, elicitation_callback=answered
    ) as client:
        yield client


async def told(client: Client, tool: str, **arguments: object) -> str:
    result = await client.call_tool(tool, arguments)
    return "\n".join(block.text for block in result.content if block.type == "text")


def asked(text: str) -> str:
    """The id of the question that an answer names."""
    found = re.search(r"It waits as (\w+) until", text)
    assert found is not None, text
    return found[1]


def protect(home: Path) -> None:
    (home / "config.toml").write_text('[policy]\nmode = "standard"\n', encoding="utf-8")


async def linked(whatsapp: WhatsApp, home: Path) -> None:
    """Link the account; the server that did it has ended."""
    async with mcp_client(whatsapp, home) as client:
        await link(client, whatsapp)


async def test_a_yes_in_the_host_sends_in_the_same_call_in_both_eras(whatsapp: WhatsApp, home: Path) -> None:
    ann = whatsapp.person("Ann")
    await linked(whatsapp, home)
    protect(home)
    async with host(whatsapp, home, YES) as modern, host(whatsapp, home, YES, "legacy") as handshake:
        assert (await said(modern, "send_message", chat=ann.number, text="one")).startswith("sent to")
        assert (await said(handshake, "send_message", chat=ann.number, text="two")).startswith("sent to")
        with anyio.fail_after(30):
            assert {(await ann.receives()).text, (await ann.receives()).text} == {"one", "two"}


async def test_what_a_host_declines_by_itself_is_approved_in_a_terminal_and_goes_out_once(
    whatsapp: WhatsApp, home: Path
) -> None:
    ann = whatsapp.person("Ann")
    await linked(whatsapp, home)
    protect(home)
    async with host(whatsapp, home, ElicitResult(action="decline")) as client:
        number = asked(await told(client, "send_message", chat=ann.number, text="hello"))
        assert "not answered yet" in await told(client, "await_approval", approval=number, wait=0)

        listed = json.loads((await run(whatsapp, home, "approve", "--json")).stdout)
        assert [(one["id"], one["state"], one["tool"]) for one in listed] == [
            (number, "open", "send_message")
        ]
        assert "│ hello" in listed[0]["question"]
        shown = (await run(whatsapp, home, "approve", "--list")).stdout.decode()
        assert shown.startswith(f"{number}  send_message, asked for by claude-code at ")
        assert "\n    │ hello\n" in shown
        refused = await run(whatsapp, home, "approve")
        assert (refused.returncode, b"no terminal" in refused.stderr) == (2, True)
        assert (await run(whatsapp, home, "approve", "aaaaaa", "--yes")).returncode == 2

        waited: list[str] = []
        answers: list[subprocess.CompletedProcess[bytes]] = []

        async def wait() -> None:
            waited.append(await told(client, "await_approval", approval=number))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            answers.append(await run(whatsapp, home, "approve", number, "--yes"))
        done = answers[0]
        assert (done.returncode, done.stdout.decode()) == (0, f"{number}: yes. The message goes out.\n")
        assert re.fullmatch(r"(sent|delivered) to \S.* as #\d+ at \d\d:\d\d\.", waited[0])
        assert (await run(whatsapp, home, "approve", number, "--yes")).returncode == 2
        with anyio.fail_after(30):
            assert (await ann.receives()).text == "hello"

        other = asked(await told(client, "send_message", chat=ann.number, text="and this"))
        done = await run(whatsapp, home, "approve", other, "--no")
        assert done.stdout.decode().startswith(f"{other}: no.")
        assert "DENIED" in await told(client, "send_message", chat=ann.number, text="and this")
        assert "said no" in await told(client, "await_approval", approval=other)
        assert [each.text for each in ann.inbox] == ["hello"]


async def test_a_picture_is_posted_once_a_person_has_said_yes_to_exactly_it(
    whatsapp: WhatsApp, home: Path
) -> None:
    ann = whatsapp.person("Ann")
    await linked(whatsapp, home)
    (home / "config.toml").write_text(
        '[server]\ntoolsets = "core,profile"\n[policy]\nmode = "standard"\n', encoding="utf-8"
    )
    small, large = (f"data:image/png;base64,{base64.b64encode(png(side, side)).decode()}" for side in (8, 16))
    async with host(whatsapp, home, ElicitResult(action="decline")) as client:
        whatsapp.me.app_state.share_key()
        whatsapp.me.app_state.name_contact(ann, "Ann")
        await whatsapp.me.app_state.synced()
        number = asked(await told(client, "post_status", text="Ship ahoy", file=small))
        assert asked(await told(client, "post_status", text="Ship ahoy", file=large)) != number
        listed = json.loads((await run(whatsapp, home, "approve", "--json")).stdout)
        question = next(one["question"] for one in listed if one["id"] == number)
        for words in ("To the status", "Send this image", "with the caption: “Ship ahoy”"):
            assert any(words in line for line in question), question
        assert (await run(whatsapp, home, "approve", number, "--yes")).returncode == 0
        with anyio.fail_after(30):
            posted = (await ann.receives()).message.imageMessage
        assert (posted.caption, posted.width) == ("Ship ahoy", 8)
        assert len(ann.inbox) == 1


async def test_a_button_on_the_page_sends_and_no_token_of_an_agent_opens_it(
    whatsapp: WhatsApp, home: Path
) -> None:
    ann = whatsapp.person("Ann")
    async with http_server(whatsapp, home) as server, client_of(server, "http") as client:
        await link(client, whatsapp)
        protect(home)
        asked(await told(client, "send_message", chat=ann.number, text="<i>hello</i>"))
        async with httpx2.AsyncClient(
            base_url=server.base, trust_env=False, follow_redirects=True
        ) as browser:
            assert (await browser.get("/approvals", headers=server.headers)).status_code == 403
            url = (await run(whatsapp, home, "page")).stdout.decode().strip()
            assert "1 waiting" in re.sub("<[^>]*>", "", (await sign_in(browser, url)).text)
            page = (await browser.get("/approvals")).text
            assert "&lt;i&gt;hello&lt;/i&gt;" in page
            fields = dict(re.findall(r'type="hidden" name="(\w+)" value="(\w+)"', page))
            form = {**fields, "answer": "yes"}
            forged = await browser.post("/approvals", data=form, headers={"Origin": "http://evil.example"})
            assert forged.status_code == 403
            assert (await browser.post("/approvals", data=form)).status_code == 403
            done = await browser.post("/approvals", data=form, headers={"Origin": server.base})
            assert "Nothing waits" in done.text
        with anyio.fail_after(30):
            assert (await ann.receives()).text == "<i>hello</i>"


async def test_what_waits_for_a_revoked_token_is_not_the_next_ones_of_its_name(
    whatsapp: WhatsApp, home: Path
) -> None:
    ann = whatsapp.person("Ann")
    async with http_server(whatsapp, home) as server:
        async with client_of(server, "http") as client:
            await link(client, whatsapp)
        protect(home)

        async def question() -> str:
            """What somebody with a new token is asked about."""
            done = await run(whatsapp, home, "token", "create", "agent", "--scope", "read,send")
            theirs = replace(server, token=done.stdout.decode().strip())
            async with client_of(theirs, "http") as client:
                return asked(await told(client, "send_message", chat=ann.number, text="hello"))

        former = await question()
        await run(whatsapp, home, "token", "revoke", "agent")
        assert await question() != former
        audit = (await run(whatsapp, home, "audit", "--json")).stdout.decode()
    assert len(set(re.findall(r'"token:agent[^"]*"', audit))) == 2
