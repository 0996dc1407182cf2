"""The simulator page: its examples run, and it lists every call of `WhatsApp` and every variable."""

import ast
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from whatsapp_simulator import WhatsApp
from whatsapp_simulator.app_state import AppState
from whatsapp_simulator.channels import SimulatedChannel
from whatsapp_simulator.control import Control
from whatsapp_simulator.fault_injection import FaultInjection
from whatsapp_simulator.groups import Group
from whatsapp_simulator.history import History
from whatsapp_simulator.launcher import TRUSTED
from whatsapp_simulator.people import Person
from whatsapp_simulator.phone import Phone

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "simulator.md").read_text(encoding="utf-8")


def test_every_call_of_the_simulator_is_on_the_page_and_no_other() -> None:
    public = {name for name in (*vars(WhatsApp), *vars(FaultInjection)) if not name.startswith("_")}
    named = set(re.findall(r"\bwa\.(\w+)", PAGE))
    assert named == public


def test_everything_that_a_person_can_do_is_on_the_page() -> None:
    public = {name for name in vars(Person) if not name.startswith("_")}
    assert public <= set(re.findall(r"\bann\.(\w+)", PAGE))


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("wa.me", Phone),
        ("boat", Group),
        ("wa.me.history", History),
        ("wa.me.app_state", AppState),
        ("news", SimulatedChannel),
    ],
)
def test_what_the_page_calls_exists(word: str, kind: type) -> None:
    called = set(re.findall(rf"`(?:await )?{re.escape(word)}\.(\w+)\(", PAGE))
    assert called
    assert called <= {name for name in dir(kind) if not name.startswith("_")}


def test_every_method_for_other_programs_is_on_the_page_and_no_other() -> None:
    section = PAGE.partition("## From another process")[2].partition("## Wiring")[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == set(Control(WhatsApp()).methods)


def test_each_call_on_the_page_fits_its_method() -> None:
    calls = [json.loads(line) for line in PAGE.splitlines() if line.startswith('{"jsonrpc"')]
    assert [call.get("id") for call in calls] == [None, *range(1, len(calls))]
    for call in calls[1:]:
        inspect.signature(getattr(Control(WhatsApp()), call["method"])).bind(**call["params"])


def test_every_module_of_the_simulator_is_in_a_layer_on_the_page() -> None:
    folder = ROOT / "whatsapp_simulator"
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__", "__main__"}
    places = set(re.findall(r"`([\w/]+)`", PAGE.partition("## How it is built")[2]))
    assert modules <= places


@pytest.mark.anyio
async def test_every_variable_is_explained() -> None:
    async with WhatsApp() as whatsapp:
        names = set(whatsapp.environment())
    assert {name for name in names if f"`{name}`" not in PAGE} == set()


def test_the_example_runs(tmp_path: Path) -> None:
    example = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
    program = tmp_path / "example.py"
    program.write_text(f"HOME = {str(tmp_path / 'home')!r}\n{example}", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(program)], env=environment, timeout=60, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.anyio
async def test_a_program_that_holds_the_root_key_is_started_from_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "my-bot"
    program.write_bytes(b"#!/bin/sh\necho $HTTPS_PROXY >began; mv began seen\nexit\n" + TRUSTED)
    program.chmod(0o755)
    [lines] = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "my-bot" in block]
    code = compile(lines, "simulator.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    async with WhatsApp() as wa:
        names: dict[str, Any] = {"wa": wa, "Path": Path, "anyio": anyio, "os": os}
        await eval(code, names)
        with anyio.fail_after(30):
            while not (tmp_path / "seen").exists():  # noqa: ASYNC110
                await anyio.sleep(0.01)
        assert (tmp_path / "seen").read_text().strip() == wa.environment()["HTTPS_PROXY"]
        assert TRUSTED not in names["copy"].read_bytes()
