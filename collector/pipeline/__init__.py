"""From the ledger to the lake: decode, fold, store, keep the position."""
