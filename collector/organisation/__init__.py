"""What the operator tells of people, hosts and networks: read, checked, followed."""
