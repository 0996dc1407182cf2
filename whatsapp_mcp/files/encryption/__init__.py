"""Encryption of an account's files: the key that a person holds, and the key that the files have."""

from whatsapp_mcp.files.encryption.conversion import decrypt, encrypt
from whatsapp_mcp.files.encryption.databases import DatabaseKey, connect
from whatsapp_mcp.files.encryption.files import SEALED, read_sealed, seal, sealed, unseal
from whatsapp_mcp.files.encryption.vault import KeySource, Step, Vault

__all__ = [
    "SEALED",
    "DatabaseKey",
    "KeySource",
    "Step",
    "Vault",
    "connect",
    "decrypt",
    "encrypt",
    "read_sealed",
    "seal",
    "sealed",
    "unseal",
]
