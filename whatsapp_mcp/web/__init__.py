"""Web pages for a person: what the account holds and does, in a browser. Health checks for machines."""
