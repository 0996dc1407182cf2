"""Soak: real servers on a simulated WhatsApp under seeded faults, and a message by message comparison.

`make soak SECONDS=600 SEED=1`, or `python -m benchmarks.soak --help`. `run` ties `fleet` (the servers),
`traffic` (what is said), `chaos` (what goes wrong), `ledger` (what must be true at the end) and `watch` (what
the processes hold) together; `report` prints it. The processes live on a small `disk` of their own and by a
wall `clock` that can be set, so that both can go wrong for real.
"""
