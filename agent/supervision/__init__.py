"""The agent's own processes: started, confined, stopped, logged."""
