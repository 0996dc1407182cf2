"""`whatsapp-mcp doctor`: checks this installation, this computer and the accounts here.

Without `--online` nothing is asked over the network: the only addresses are unix sockets and loopback.
"""

from whatsapp_mcp.cli.doctor.examination import examine, run
from whatsapp_mcp.cli.doctor.finding import Finding
from whatsapp_mcp.cli.doctor.program import REINSTALL

__all__ = ["REINSTALL", "Finding", "examine", "run"]
