"""Processes: how a child is started and confined, how they call each other, what a client process can do."""
