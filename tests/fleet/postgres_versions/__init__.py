"""The tests of a fleet on PostgreSQL of several versions (`make test-postgres`)."""
