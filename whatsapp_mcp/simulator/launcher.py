"""How a client in another process is pointed at the simulator: by its environment alone."""

import os
import sys
from pathlib import Path

from whatsapp_mcp.errors import Unsupported

_LAUNCH = Path(__file__).with_name("launch")


def environment(proxy_url: str, ca_file: Path, noise_root: bytes) -> dict[str, str]:
    """The variables to add to a client's environment.

    Args:
        proxy_url: Where the simulator's proxy listens.
        ca_file: The certificate authority, PEM.
        noise_root: The 32-byte key that signs the simulator's Noise certificates.

    Raises:
        Unsupported: This is not Linux: elsewhere Go programs trust the system's certificates alone.
    """
    if sys.platform != "linux":
        raise Unsupported(
            "Clients can be pointed at the simulated WhatsApp on Linux only.",
            "Run it on Linux, or in a container.",
        )
    inherited = os.environ.get("PYTHONPATH")
    return {
        "HTTPS_PROXY": proxy_url,
        "https_proxy": proxy_url,
        "NO_PROXY": "",
        "no_proxy": "",
        "SSL_CERT_FILE": str(ca_file),
        "PYTHONPATH": os.pathsep.join([str(_LAUNCH), *([inherited] if inherited else [])]),
        "WHATSAPP_SIMULATOR_NOISE_ROOT": noise_root.hex(),
    }
