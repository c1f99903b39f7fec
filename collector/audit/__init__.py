"""Judging a ledger and taking from it what proves something to others."""
