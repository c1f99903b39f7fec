"""The append-only record: entries kept for ever, their data under retention, one Merkle tree over all."""
