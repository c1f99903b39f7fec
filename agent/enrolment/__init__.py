"""How a host gets an identity and gives it up."""
