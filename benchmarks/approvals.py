"""Forged answers to a question on the phone, none of which may count, and how soon a genuine one does.

The forged ones are the events of `tests/device/test_forged_approvals.py`; what other devices and people can
really bring about is tried over the simulated wire by the tests beside it. The genuine one goes the whole
way: an MCP client asks to write to a stranger, a thumb on the simulated phone allows it, the stranger
receives it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import anyio

from benchmarks.verdicts import amount, timed
from tests.device.phone_rig import phone_rig, reaction
from tests.device.test_forged_approvals import FORGED
from tests.fixtures import link, mcp_client
from whatsapp_mcp.models import ApprovalState
from whatsapp_mcp.settings import AccountFolder
from whatsapp_simulator import WhatsApp

LIMIT: Final = 1.0
"""Seconds from the thumb to the stranger."""
_TEXT: Final = "May this be done?"


async def is_accepted(forgery: str) -> bool:
    """Return whether a reaction decides a question; an empty name forges nothing."""
    with tempfile.TemporaryDirectory() as folder:
        async with phone_rig(AccountFolder("default", Path(folder))) as rig:
            held = await rig.held()
            event = reaction(held.question_id or "", "👍", rig.clock.now())
            if forgery:
                FORGED[forgery](event)
            await rig.hear(event)
            return rig.state(held) is not ApprovalState.OPEN


async def seconds_of_a_yes(count: int) -> list[float]:
    """Seconds from a thumb on the phone until the stranger has the message, so many times."""
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        async with WhatsApp() as whatsapp, mcp_client(whatsapp, home) as client:
            await link(client, whatsapp)
            eve = whatsapp.person("Eve")
            for number in range(count):
                text = f"message {number}"
                await client.call_tool("send_message", {"chat": eve.number, "text": text})
                while _TEXT not in (asked := await whatsapp.me.receives()).text:
                    pass
                began = time.perf_counter()
                await whatsapp.me.reacts(asked.id, "👍")
                with anyio.fail_after(20):
                    assert (await eve.receives()).text == text
                times.append(time.perf_counter() - began)
    return times


async def run(count: int) -> bool:
    """Print both figures; whether they hold."""
    accepted = [name for name in FORGED if await is_accepted(name)]
    genuine = await is_accepted("")
    times = await seconds_of_a_yes(count)
    print(f"forged answers: {len(FORGED)}, accepted: {len(accepted)} {' '.join(accepted)}")
    print(f"a genuine one beside them: {'accepted' if genuine else 'NOT accepted'}")
    print(
        f"thumb to the stranger's phone: median {statistics.median(times) * 1000:.0f} ms, "
        f"slowest of {count} {max(times) * 1000:.0f} ms"
    )
    return not accepted and genuine and bool(timed(max(times) < LIMIT))


def main() -> int:
    """1 if a forged answer counted, or a genuine one was slow."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.approvals", description=__doc__)
    parser.add_argument("--count", type=int, default=amount(10, 1), help="genuine answers")
    return 0 if anyio.run(run, parser.parse_args().count) else 1


if __name__ == "__main__":
    sys.exit(main())
