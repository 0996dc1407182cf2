"""The command line."""


def main() -> None:
    """Run the command ``whatsapp-mcp``."""
    raise SystemExit(2)
