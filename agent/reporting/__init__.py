"""What the agent says of itself: status, findings of doctor, live events, notices."""
