"""Each feature can be left out: `make without` proves it whole, this that no name of it is left behind."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.tables import for_each
from tests.test_rooms import LISTINGS, ROOT
from tests.without import PAGES, features, left_out

RUFF = Path(sys.executable).with_name("ruff")


def test_the_page_of_each_feature_is_known() -> None:
    pages = {name: ROOT / "docs" / f"{PAGES.get(name, name)}.md" for name in features()}
    assert {name for name, page in pages.items() if not page.exists()} == set()


@for_each("feature", features())
def test_modules_that_list_features_lose_one_with_the_lines_that_name_it(feature: str) -> None:
    for module in sorted(LISTINGS):
        path = ROOT / f"{module.replace('.', '/')}.py"
        text = left_out(path.read_text(encoding="utf-8"), feature)
        assert f"features.{feature}" not in text
        command = [RUFF, "check", "--select", "F", "--quiet", "--stdin-filename", path, "-"]
        checked = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
        assert (module, checked.stdout) == (module, "")


def test_every_feature_is_left_out_each_week() -> None:
    weekly = (ROOT / ".github" / "workflows" / "weekly.yml").read_text(encoding="utf-8")
    [listed] = re.findall(r"feature: \[(.*)\]", weekly)
    assert {*features()} - {*listed.split(", ")} == set()
