"""When and what watch sheds, and what it never does."""
