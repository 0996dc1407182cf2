"""Text for models: somebody else's words cleaned and fenced, lists in few tokens."""
