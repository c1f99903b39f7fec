"""Parsers of what the kernel and the logs say: bytes in, records out, nothing read and nothing changed."""
