"""`python -m tests.fleet.node.node_process`: a node with a short lease on the WhatsApp of its environment."""

from __future__ import annotations

import os

import anyio

from tests.fleet.node.fleet_of_tests import INTERVAL, MARGIN, TTL, TTL_VARIABLE
from whatsapp_fleet import settings
from whatsapp_fleet.cli import CLIENT
from whatsapp_fleet.node import run_node
from whatsapp_fleet.protocol import LeaseTimes
from whatsapp_mcp.processes.child_process import client_program
from whatsapp_mcp.server.log import log_to_stderr
from whatsapp_simulator import launcher

if __name__ == "__main__":
    client_program.set(launcher.client_program(os.environ, CLIENT))
    loaded = settings.load()
    log_to_stderr(loaded.log_level, loaded.log_format)
    ttl = float(os.environ.get(TTL_VARIABLE, TTL))
    anyio.run(run_node, loaded, LeaseTimes(ttl, MARGIN, INTERVAL))
