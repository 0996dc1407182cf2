"""Webhooks: what happens in the account is posted to the URLs that the person names, signed and in order."""
