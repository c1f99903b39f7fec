"""From queued events to the spool: lanes, batches, seals, losses, and what a kill leaves unsealed."""
