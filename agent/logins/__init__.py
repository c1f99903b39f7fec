"""The login sensor's work: where its lines come from, and what they say together."""
