"""Text in its forms: times, zones and addresses as people write them, emoji, JSON, what no log holds."""
