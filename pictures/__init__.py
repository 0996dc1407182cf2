"""The pictures of the documentation, taken of the product at work on the simulated WhatsApp of the demo.

`make pictures` writes them into `docs/pictures/`; with `ARGS=linking` only the ones that are named. Programs
run in a pseudo-terminal, and Chromium draws its screen.
"""
