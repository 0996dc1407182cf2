"""`python -m tests.cli.faults.doctor_of_home`: `doctor --json` without the checks of the installation.

They know nothing of a home folder, and take seconds.
"""

from __future__ import annotations

import sys

from whatsapp_mcp.cli.doctor import examination, run

if __name__ == "__main__":
    examination.program_checks = list
    sys.exit(run(as_json=True))
