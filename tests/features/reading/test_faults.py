"""`whatsapp-mcp doctor` tells of an engine that is not installed, with advice that leads out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.faults.world import CONFIG, Fault, World
from tests.cli.test_doctor_faults import is_told_with_a_way_out, make_home

pytestmark = pytest.mark.anyio
_NO_POCKETSPHINX = "import sys\nsys.modules['pocketsphinx'] = None\n"


async def extra_missing(world: World) -> None:
    folder = world.home.with_name("packages")
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_NO_POCKETSPHINX)
    world.variables["PYTHONPATH"] = str(folder)
    world.config.write_text(f'[voice]\nengine = "pocketsphinx"\n{CONFIG}')


async def install_the_extra(world: World) -> None:
    (world.home.with_name("packages") / "sitecustomize.py").unlink()


async def test_an_extra_that_is_missing_is_told_with_advice_that_leads_out_of_it(tmp_path: Path):
    fault = Fault("extra missing", extra_missing, "speech", "`pocketsphinx`", "Install", install_the_extra)
    world = World(make_home(tmp_path / "home"), tmp_path / "backup")
    async with world.others:
        await is_told_with_a_way_out(fault, world)
