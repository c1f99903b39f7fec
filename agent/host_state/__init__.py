"""The host-state sensor's work: files and folders of the sources read, compared, told."""
