"""Alerts as the stories of persons: merged, told in sentences, ranked. Pure but for `stories`."""
