"""Accounts on several machines: PostgreSQL holds what must not be lost and decides who leads.

A laptop imports nothing of this; what reads the setting `database` loads it.
"""
