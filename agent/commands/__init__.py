"""Every command: a module here sets COMMAND, and is found by the name of its file."""
