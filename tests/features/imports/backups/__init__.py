"""Backups of WhatsApp, made from its schemas as they are publicly described: no real one was at hand."""
