"""The daemon on each host: watch sees and signs, ship sends."""
