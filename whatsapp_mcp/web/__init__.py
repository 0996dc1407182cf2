"""Web pages for a person: the connection's state and the QR code to scan. Health checks for machines."""
