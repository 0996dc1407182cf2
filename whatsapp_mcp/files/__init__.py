"""Files: where the home is, what may be read, what the media folder keeps, how an account is encrypted."""
