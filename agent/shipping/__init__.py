"""What ship does: connect, post, take receipts, renew its certificate, fetch policies."""
