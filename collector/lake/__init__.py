"""Events as Parquet: written by one process, published as snapshots, read by all others."""
