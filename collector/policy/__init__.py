"""Signed fleet policies: decided, offered, and what the hosts say of them."""
