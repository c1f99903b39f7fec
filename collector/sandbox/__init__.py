"""Work for analysts in disposable processes: bounded, without network, killed in time."""
