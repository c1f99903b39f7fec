"""Sigma rules over what is stored."""
