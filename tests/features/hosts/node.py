"""What npm has installed beside this file."""

from __future__ import annotations

from pathlib import Path

MODULES = Path(__file__).with_name("node_modules")
