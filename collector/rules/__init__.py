"""Rules in force: which there are, what people decided of them, what they cost."""
