"""Scenarios and test hosts that use the commands as a user would."""
