"""When messages go to an agent, how its answer is split, and what a run of its command may do."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tables import for_each
from whatsapp_mcp.device.agent import command, rules
from whatsapp_mcp.device.agent.runs import PART, AgentAnswer, answer_in, parts_of
from whatsapp_mcp.models import Caller, HandOn, HandOnState
from whatsapp_mcp.settings import AgentLimits, AgentSettings

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
LIMITED = AgentSettings(limits=AgentLimits(turns=3, per_hour=2, seconds=1, characters=100))


def hand_on(number: int, at: datetime, done: datetime | None = None) -> HandOn:
    state = HandOnState.ANSWERED if done else HandOnState.WAITING
    return HandOn(
        number, "15550002222@s.whatsapp.net", "command", (number,), number, at, at, state, done_at=done
    )


def turns(count: int, gap: timedelta) -> list[HandOn]:
    """Answered at once, the newest first; then the one that waits."""
    times = [NOON + index * gap for index in range(count + 1)]
    answered = [hand_on(index, at, at) for index, at in enumerate(times[:-1])]
    return [hand_on(count, times[-1]), *reversed(answered)]


def test_two_programs_that_answer_each_other_are_stopped() -> None:
    found, *before = turns(3, timedelta(seconds=30))
    assert rules.is_loop(found, before, LIMITED)


def test_somebody_who_pauses_is_no_loop() -> None:
    found, *before = turns(3, rules.PAUSE)
    assert not rules.is_loop(found, before, LIMITED)


def test_a_loop_ends_only_with_a_pause_although_nothing_is_answered_in_it() -> None:
    found, *before = turns(8, timedelta(seconds=30))
    dropped = [replace(each, state=HandOnState.DROPPED) for each in before]
    assert rules.is_loop(found, dropped, LIMITED)


def test_more_answers_than_an_hour_may_have_wait_for_the_first_to_be_an_hour_old() -> None:
    answered = [hand_on(1, NOON, NOON), hand_on(2, NOON, NOON + timedelta(minutes=10))]
    now = NOON + timedelta(minutes=20)
    assert rules.full_until(answered, LIMITED, now) == NOON + timedelta(hours=1)
    assert rules.full_until(answered[1:], LIMITED, now) is None


def test_a_voice_note_waits_for_its_transcript_but_not_for_ever() -> None:
    found = hand_on(1, NOON)
    late, later = NOON + timedelta(seconds=5), NOON + timedelta(seconds=20)
    settled = rules.is_settled
    assert settled(found, 2, late, transcripts_wait=False, patience=20)
    assert not settled(found, 2, late, transcripts_wait=True, patience=20)
    assert settled(found, 2, later, transcripts_wait=True, patience=20)


def test_a_channel_that_takes_nothing_for_half_a_minute_is_not_listening() -> None:
    waiting = replace(hand_on(1, NOON), agent="channel")
    assert rules.is_unheard(waiting, NOON + timedelta(seconds=30))
    assert not rules.is_unheard(waiting, NOON + timedelta(seconds=29))
    taken = replace(waiting, state=HandOnState.TAKEN)
    assert not rules.is_unheard(taken, NOON + timedelta(hours=1))


@given(st.text(max_size=12_000), st.integers(1, 20_000))
def test_an_answer_loses_no_word_but_those_beyond_its_limit(text: str, most: int) -> None:
    parts = parts_of(text, most)
    assert all(0 < len(part) <= PART for part in parts)
    whole = "".join("".join(part.split()) for part in parts)
    clean = "".join("".join(parts_of(text, len(text) + 1)).split())
    assert whole == clean or (whole.endswith("…") and clean.startswith(whole[:-1]))
    assert sum(map(len, parts)) <= most


def test_an_answer_is_split_where_a_reader_would() -> None:
    paragraphs = [("word " * 400).strip() for _ in range(3)]
    assert parts_of("\n\n".join(paragraphs), 60_000) == tuple(paragraphs)


def test_colours_of_a_terminal_are_no_part_of_an_answer() -> None:
    assert parts_of("\x1b[1;32mdone\x1b[0m\r\nnext\x07", 100) == ("done\nnext",)


def test_json_has_the_answer_and_what_it_cost() -> None:
    assert answer_in('{"result": "yes", "total_cost_usd": 0.25}', "json") == AgentAnswer("yes", 0.25)
    assert answer_in('{"text": "yes"}', "json") == AgentAnswer("yes", 0.0)
    for bad in ("yes", "[]", '{"total_cost_usd": 1}', '{"result": 1}'):
        with pytest.raises(ValueError, match=r"no |Expecting"):
            answer_in(bad, "json")


@for_each("cost", ["1" * 400, "1e999", "-1e999", "NaN", "Infinity"])
def test_a_cost_that_no_number_holds_is_no_answer(cost: str) -> None:
    with pytest.raises(ValueError, match="cost"):
        answer_in(f'{{"result": "yes", "cost": {cost}}}', "json")


def test_json_that_is_nested_too_deeply_is_no_answer() -> None:
    with pytest.raises(ValueError, match="nested"):
        answer_in("[" * 200_000, "json")


def test_half_a_character_is_replaced() -> None:
    assert answer_in(r'{"result": "a\ud800b"}', "json") == AgentAnswer("a?b")


def running(code: str, **more: object) -> AgentSettings:
    return LIMITED.model_copy(update={"command": (sys.executable, "-c", code), **more})


async def run(agent: AgentSettings, folder: Path, given_bytes: bytes = b"{}\n") -> command.Ended:
    return await command.run(
        agent, given_bytes, command.environment_of(agent, Caller("chat:1@lid", chat="1@lid")), folder
    )


async def test_a_command_reads_what_it_is_given(tmp_path: Path) -> None:
    ended = await run(running("import sys; print(sys.stdin.read().upper())"), tmp_path, b"hello")
    assert ended.output == "HELLO\n"


async def test_a_command_that_reads_nothing_is_no_failure(tmp_path: Path) -> None:
    assert (await run(running("print(1)"), tmp_path, b"x" * 5_000_000)).output == "1\n"


async def test_no_shell_reads_a_command(tmp_path: Path) -> None:
    agent = LIMITED.model_copy(update={"command": ("echo", "$HOME; touch here")})
    assert (await run(agent, tmp_path)).output == "$HOME; touch here\n"
    assert not (tmp_path / "here").exists()


async def test_a_command_gets_no_secret_of_this_servers_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHATSAPP_MCP_SERVER__PORT", "1")
    monkeypatch.setenv("MY_KEY", "k")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/nowhere:")
    code = "import json, os; print(json.dumps(sorted(os.environ)))"
    told = str((await run(running(code), tmp_path)).output)
    assert "WHATSAPP_MCP_SERVER__PORT" not in told
    assert "MY_KEY" not in told
    assert "PYTHONPATH" not in told
    assert "LD_LIBRARY_PATH" not in told
    assert "WHATSAPP_MCP_CHAT" in told
    assert "MY_KEY" in str((await run(running(code, environment=("MY_KEY",)), tmp_path)).output)


async def test_a_command_that_takes_too_long_ends_with_all_that_it_started(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "open('pid', 'w').write(str(child.pid))\nchild.wait()"
    )
    ended = await run(running(code), tmp_path)
    assert (ended.output, "longer than 1 s" in ended.reason) == (None, True)
    pid = int((tmp_path / "pid").read_text())
    with anyio.fail_after(30):
        while _lives(pid):  # noqa: ASYNC110  another program
            await anyio.sleep(0.02)


async def test_a_command_that_prints_for_ever_is_ended(tmp_path: Path) -> None:
    patient = LIMITED.limits.model_copy(update={"seconds": 60.0})
    with anyio.fail_after(30):
        ended = await run(running("while True: print('x' * 10_000)", limits=patient), tmp_path)
    assert ended == command.Ended(None, "the command printed too much")


async def test_a_command_that_fails_or_is_not_there_says_why(tmp_path: Path) -> None:
    assert (await run(running("print(1); raise SystemExit(3)"), tmp_path)).reason.endswith("status 3")
    gone = LIMITED.model_copy(update={"command": (str(tmp_path / "gone"),)})
    assert (await run(gone, tmp_path)).output is None


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux does it")
async def test_a_command_ends_when_its_server_is_killed(tmp_path: Path) -> None:
    code = (
        "import anyio, sys\nfrom pathlib import Path\n"
        "from whatsapp_mcp.device.agent import command\n"
        "from whatsapp_mcp.models import SYSTEM\nfrom whatsapp_mcp.settings import AgentSettings\n"
        "agent = AgentSettings(command=(sys.executable, '-c', "
        "\"import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)\"))\n"
        "anyio.run(command.run, agent, b'', command.environment_of(agent, SYSTEM), Path.cwd())"
    )
    server = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)  # noqa: ASYNC220
    try:
        with anyio.fail_after(30):
            while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():  # noqa: ASYNC110
                await anyio.sleep(0.02)
    finally:
        server.kill()
        server.wait(30)
    pid = int((tmp_path / "pid").read_text())
    with anyio.fail_after(30):
        while _lives(pid):  # noqa: ASYNC110  another program
            await anyio.sleep(0.02)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return sys.platform != "linux"
