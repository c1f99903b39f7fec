"""Every command: a module here sets COMMAND and is named after its verb."""
