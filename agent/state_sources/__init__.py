"""Every source of the host's state: a module here sets SOURCE, and is found by being here. Pure."""
