"""Makes a release: `python -m release VERSION` checks and builds what is published, and says what is next."""
