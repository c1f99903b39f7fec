"""What follows from the ledger's entries in their order: keys, chains, holes, contests. Pure."""
