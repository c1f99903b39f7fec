"""The service that verifies, keeps, correlates and answers."""
