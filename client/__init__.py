"""The `vedette` command for analysts and SREs."""
