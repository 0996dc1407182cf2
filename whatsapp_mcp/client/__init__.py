"""The client process: one run of the client library, and nothing else."""
