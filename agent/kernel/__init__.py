"""Thin shells around the kernel's interfaces: they open, read bytes and close."""
