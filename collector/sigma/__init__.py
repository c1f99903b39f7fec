"""Sigma rules: read from files, compiled, matched against events. Pure but for what reads files."""
