"""Rows: reading, checking, splitting, and the ledger that accounts for each one."""
