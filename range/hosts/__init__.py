"""Test hosts on one kernel, the collector they report to, and an outside; nothing touches the machine."""
