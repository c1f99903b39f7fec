"""From the agents' connections to the ledger: receive, verify, bound, commit, acknowledge."""
