"""Lays out, describes, packs and signs our deb and rpm packages and their repositories.

As with runtime, the folder above is put on the path: `PYTHONPATH=packaging python -m packages`.
"""
