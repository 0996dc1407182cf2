"""The linked device: who holds the link to WhatsApp, how it heals, what is sent and what comes in."""
