"""Imports: backups of phones, exported chats and address books of other programs, taken into the archive."""
