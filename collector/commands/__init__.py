"""The verbs of `vedette-collector`: one file each, found by its constant COMMAND."""
