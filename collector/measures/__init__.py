"""What detections and correlations share: windows, baselines, volumes, what leaves in a session. Pure."""
