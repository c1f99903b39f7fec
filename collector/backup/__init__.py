"""Backup of what cannot be made anew, and its restoration under a new log."""
