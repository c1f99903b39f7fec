"""Correlations: a fold over many events each; a module sets CORRELATION."""
