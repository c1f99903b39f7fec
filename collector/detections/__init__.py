"""Detections: one pure function of one event each; a module sets DETECTION."""
