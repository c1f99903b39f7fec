"""What a rule would have told with other values: its own code over stored history."""
