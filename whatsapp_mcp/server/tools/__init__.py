"""The tools, each one typed function; `server/toolsets.py` says which module is in which set."""
