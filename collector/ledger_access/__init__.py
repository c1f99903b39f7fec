"""The ledger for whoever is not its owner, what its owner keeps beside it, and its retention."""
