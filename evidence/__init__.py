"""What agent and collector must agree on: events, sealed batches, proofs. No clock, files or sockets."""
