"""Contract tests by schemathesis against a running server: it answers as its OpenAPI document says.

`python -m tests.features.rest.contract` runs them at length, on a linked account of a simulated WhatsApp
(`make test-api`).
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from subprocess import PIPE, STDOUT
from tempfile import TemporaryDirectory
from typing import Final

import anyio

from tests.fixtures import HttpServer, client_of, http_server, link
from whatsapp_simulator import WhatsApp

CHECKS: Final = (
    "no_internal_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)
"""Not what valid or invalid arguments must be answered with: a valid text names a chat that nobody has, and a
number as text is taken as a number, since models write both."""
LEFT_OUT: Final = ("unlink_device", "reconnect", "events")
"""They end the connection under test, or have no end."""
CONFIG: Final = '[server]\ntoolsets = "all"\n[policy]\nmode = "open"\n'


async def run(server: HttpServer, *, examples: int, phases: str, seed: int) -> tuple[int, str]:
    """Run schemathesis: its exit code, and what it printed."""
    arguments = [
        f"{server.base}/api/v1/openapi.json",
        f"--header=Authorization: Bearer {server.token}",
        f"--checks={','.join(CHECKS)}",
        *(f"--exclude-operation-id={each}" for each in LEFT_OUT),
        f"--max-examples={examples}",
        f"--phases={phases}",
        f"--seed={seed}",
        "--generation-database=none",
        "--no-color",
        "--warnings=off",
    ]
    hooks = {"SCHEMATHESIS_HOOKS": "contract_hooks", "PYTHONPATH": str(Path(__file__).parent)}
    program = [str(Path(sys.executable).with_name("schemathesis")), "run", *arguments]
    done = await anyio.run_process(
        program, env={**os.environ, **hooks}, stdin=None, stdout=PIPE, stderr=STDOUT, check=False
    )
    return done.returncode, done.stdout.decode(errors="replace")


async def contract(home: Path, *, examples: int, phases: str, seed: int) -> tuple[int, str]:
    """Start a server, link it, let Ann write, and run schemathesis."""
    (home / "config.toml").write_text(CONFIG, encoding="utf-8")
    async with WhatsApp(seed=11) as whatsapp, http_server(whatsapp, home) as server:
        async with client_of(server, "http") as client:
            await link(client, whatsapp)
            ann = whatsapp.person("Ann")
            whatsapp.me.app_state.name_contact(ann, "Ann")
            whatsapp.me.app_state.share_key()
            await ann.says("hello")
            await client.call_tool("wait_for_messages", {"wait": 5, "cursor": "w0"})
        return await run(server, examples=examples, phases=phases, seed=seed)


def main() -> int:
    """Run at length, print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        phases = "examples,coverage,fuzzing"

        async def whole() -> tuple[int, str]:
            return await contract(Path(folder), examples=given.examples, phases=phases, seed=given.seed)

        code, told = anyio.run(whole)
    sys.stdout.write(told)
    return code


if __name__ == "__main__":
    sys.exit(main())
