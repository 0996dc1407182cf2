"""Pages for a person: how the link is, and the QR to scan. Health answers for machines."""
