"""The fleet's policy on this host: judged, kept, told."""
