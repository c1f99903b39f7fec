"""The file sensor's work: what watched trees hold, what changed in them, who reads what is sensitive."""
