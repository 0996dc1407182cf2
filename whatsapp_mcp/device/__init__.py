"""The linked device: which server leads, how the connection recovers, what is sent and what comes in."""
