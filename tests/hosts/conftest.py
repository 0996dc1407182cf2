"""These tests run in a network namespace with loopback alone: see `make test-hosts`."""

from __future__ import annotations

import socket

import pytest


@pytest.fixture(scope="session", autouse=True)
def offline() -> None:
    """Skip where a program of somebody else's could reach its maker."""
    others = [name for _, name in socket.if_nameindex() if name != "lo"]
    if others:
        pytest.skip(f"needs a machine without network, has {', '.join(others)}: run `make test-hosts`")
