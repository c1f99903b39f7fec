"""Every enrichment: a module here sets ENRICHMENT, and is found by being here. Pure."""
