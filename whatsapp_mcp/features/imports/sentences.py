"""Sentences that errors of the jobs reading foreign files may use, besides those of `media/job.py`."""

from __future__ import annotations

from typing import Final

from whatsapp_mcp.media import job

SENTENCES: Final = """
A message in the database is too large.
An entry of the zip expands more than #-fold.
An entry of the zip has more than # MB.
More than # people wrote in the export.
The address book has more than # contacts.
The database holds several accounts.
The backup cannot be unpacked: the disk is full, or fails.
The backup is encrypted, and reading such ones needs the extra `iphone`.
The backup is encrypted, so its password is needed.
The backup is encrypted, so its key is needed.
The backup is protected with a passkey, which only the phone can use.
The backup unpacks to more than # times its size.
The database is damaged.
The encrypted backup is damaged.
The export has more than # messages.
The file contains no messages of a WhatsApp export.
The file is neither a database nor an encrypted backup that is read here.
The key does not fit this backup.
The password does not fit this backup.
The key does not fit, or the file is damaged.
The zip contains no chat text.
The zip does not contain this file.
The zip has more than # entries.
The zip uses a compression that WhatsApp does not use.
This is no key of a backup.
"""
ACTIONS: Final = """
Ask the sender to send it again.
Choose a 64-digit key in WhatsApp, then back up again.
Correct the argument and call again.
Free space on the disk, then try again.
Give 64 hexadecimal digits, or a file: `encrypted_backup.key`, or `key` for a .crypt14.
Give a backup of WhatsApp, a .vcf, or another server's database; or an exported .zip or .txt.
Give a zip exported by WhatsApp.
Give another copy of it.
Run `whatsapp-mcp archive import` with --key - (64 digits) or --key-file.
Give the exported zip or txt.
Run `whatsapp-mcp archive import` with --key -, or make a backup without a password.
Give the key of this backup.
Give the password of the backup.
Install the extra `iphone`, or make a local backup that is not encrypted.
Link a phone first.
Shorten it or split it.
"""
SAID: Final = job.said(job.SENTENCES + SENTENCES, job.ACTIONS + ACTIONS)
